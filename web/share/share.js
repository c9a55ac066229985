// The public page of a share link: a button, a voice, and what stands in the way.

const SHARED = `/v1/shared/${encodeURIComponent(location.pathname.split("/").pop())}`;
const STATES = {
  connecting: "Connecting …",
  joined: "Waiting for the agent …",
  initializing: "Getting ready …",
  listening: "Listening",
  thinking: "Thinking …",
  speaking: "Speaking",
  reconnecting: "The line is down, reconnecting …",
  over: "The call is over. Thank you for calling.",
};

const at = (id) => document.getElementById(id);
let conversation;
let clock;

function show(state) {
  at("avatar").dataset.state = state;
  at("status").textContent = STATES[state] ?? "";
  const isRunning = state !== "over";
  for (const id of ["mute", "hang-up"]) at(id).hidden = !isRunning;
  at("start").hidden = isRunning;
  if (isRunning) return;
  at("hear").hidden = true;
  at("left").textContent = "";
  clearInterval(clock);
}

function fail(text = "") {
  at("fault").textContent = text;
}

async function ask(method, path) {
  let response;
  try {
    const body = method === "POST" ? { body: "{}", headers: { "Content-Type": "application/json" } } : {};
    response = await fetch(path, { method, ...body });
  } catch {
    throw new Error("The server does not answer; try again in a moment.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The server answered with status ${response.status}.`);
  return answer;
}

/** Say how much is left, so that nobody is cut off unawares. */
function count(seconds) {
  const ends = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
    at("left").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
  };
  tick();
  clock = setInterval(tick, 1000);
}

async function start() {
  const { Conversation, openMicrophone } = await import("/web/conversation.js");
  const microphone = await openMicrophone();
  let call;
  try {
    call = await ask("POST", `${SHARED}/calls`);
  } catch (error) {
    microphone.stop();
    throw error;
  }
  conversation = new Conversation(microphone, {
    onState: show,
    onLeft: () => show("over"),
    onPlayback: (canHear) => (at("hear").hidden = canHear),
    onMicrophone: (found) => fail(found === "lost" ? "The microphone is gone: connect it again, or start anew." : ""),
  });
  showMuted(false);
  show("connecting");
  at("status").focus();
  await conversation.join(call.access);
  if (at("avatar").dataset.state === "connecting") show("joined");
  count(call.max_call_seconds);
}

function showMuted(muted) {
  at("mute").setAttribute("aria-pressed", muted);
  at("mute").textContent = muted ? "Unmute" : "Mute";
}

at("start").addEventListener("click", async () => {
  fail();
  at("start").disabled = true;
  try {
    await start();
  } catch (error) {
    show("over");
    at("status").textContent = "";
    fail(error.message);
  }
  at("start").disabled = false;
});
at("hear").addEventListener("click", () => conversation.hear());
at("hang-up").addEventListener("click", () => conversation.leave());
at("mute").addEventListener("click", async () => {
  const muted = at("mute").getAttribute("aria-pressed") !== "true";
  await conversation.mute(muted);
  showMuted(muted);
});

try {
  const { agent_name: name } = await ask("GET", SHARED);
  document.title = `Talk to ${name}`;
  at("name").textContent = `Talk to ${name}`;
  at("status").textContent = "Press the button and allow the microphone.";
  at("start").hidden = false;
} catch (error) {
  at("status").textContent = "";
  fail(error.message);
}
