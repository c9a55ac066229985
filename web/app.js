// The page: a key, an agent, a call, its transcript, its result.

import { Api, ApiError } from "/web/api.js";
import { join, microphone } from "/web/call.js";
import { showResult } from "/web/result.js";

const FIRST_AGENT = {
  name: "Aria",
  system_prompt:
    "You are Aria, the receptionist of the restaurant Harbour. You take bookings: ask for the name, the day, the time " +
    "and how many people come. Answer in one short sentence.",
  first_message: "Hello, this is Aria from the Harbour. How can I help you?",
  post_call: {
    recording: { enabled: true },
    summary: { enabled: true },
    structured_extraction: {
      json_schema: {
        type: "object",
        properties: {
          caller_name: { type: ["string", "null"], description: "The caller's name" },
          people: { type: ["integer", "null"], description: "How many people come" },
        },
        required: ["caller_name", "people"],
      },
    },
    evaluation: { criteria: "Was the agent polite and helpful?" },
  },
};

const at = (id) => document.getElementById(id);
let api;
let room = null;
let current = null; // the id of the call that the page shows

function say(text, state = "busy") {
  at("status").textContent = text;
  at("status").dataset.state = state;
}

function complain(error) {
  at("problem").textContent = error?.message ?? "";
  at("problem").hidden = !error;
}

// The key comes in the address once, and does not stay there: addresses are copied, shown and kept.
function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    sessionStorage.setItem("key", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("key");
}

function askForKey(problem) {
  sessionStorage.removeItem("key");
  at("phone").hidden = at("no-agent").hidden = true;
  at("key-form").hidden = false;
  complain(problem);
  at("key").focus();
}

async function open(key) {
  if (!key) return askForKey(null);
  api = new Api(key);
  try {
    showAgents((await api.get("/v1/agents")).agents);
  } catch (error) {
    const refused = error instanceof ApiError && [401, 403].includes(error.status);
    if (refused) askForKey(new Error("This key is not accepted. Give a secret key of this server."));
    else complain(error);
  }
}

function showAgents(agents) {
  complain(null);
  at("key-form").hidden = true;
  at("no-agent").hidden = agents.length > 0;
  at("phone").hidden = agents.length === 0;
  at("agent").replaceChildren(...agents.map((agent) => new Option(agent.name, agent.id)));
}

async function createAgent() {
  at("create-agent").disabled = true;
  try {
    showAgents([await api.post("/v1/agents", FIRST_AGENT)]);
    at("call").focus();
  } catch (error) {
    complain(error);
  }
  at("create-agent").disabled = false;
}

async function call() {
  complain(null);
  at("call").disabled = at("agent").disabled = true;
  at("transcript").replaceChildren();
  at("talk").hidden = at("result").hidden = true;
  let mic = null;
  try {
    say("Asking for the microphone");
    mic = await microphone();
    say("Calling");
    const identity = `browser-${crypto.randomUUID().slice(0, 8)}`;
    const participants = [{ transport: "webrtc", identity }];
    const created = await api.post("/v1/calls", { agent_id: at("agent").value, participants });
    current = created.id;
    follow(current).catch(complain);
    room = await join(created.participants[0].access, mic, at("audio"), {
      onStatus: (text) => say(text, "live"),
      onLeft: hungUp,
    });
    say("Connected", "live");
    offer("Hang up", true);
  } catch (error) {
    mic?.stop();
    say("Ready", "idle");
    offer("Call", false);
    complain(error);
  }
}

function offer(text, hangUp) {
  at("call").textContent = text;
  at("call").classList.toggle("hang-up", hangUp);
  at("call").disabled = false;
  at("agent").disabled = hangUp;
}

function hungUp() {
  room = null;
  offer("Call", false);
  say("The call is over. Looking back at it");
}

// Everything that is written about the call comes by itself; the result is there when the stream ends.
async function follow(callId) {
  const lines = new Map();
  for await (const { kind, data } of api.stream(callId)) {
    if (callId !== current) return;
    if (kind === "segment") showSegment(lines, data);
    if (kind === "end") {
      showResult(at("result"), await api.get(`/v1/calls/${callId}`));
      if (!room) say("Ready", "idle");
    }
  }
}

function showSegment(lines, segment) {
  let line = lines.get(segment.sequence);
  if (!line) {
    line = document.createElement("li");
    line.className = segment.speaker;
    const later = [...lines.keys()].filter((sequence) => sequence > segment.sequence).sort((a, b) => a - b)[0];
    at("transcript").insertBefore(line, lines.get(later) ?? null);
    lines.set(segment.sequence, line);
  }
  const speaker = document.createElement("span");
  speaker.className = "speaker";
  speaker.textContent = segment.speaker === "agent" ? "Agent" : "You";
  line.replaceChildren(speaker, segment.text);
  at("talk").hidden = false;
  line.scrollIntoView({ block: "nearest" });
}

at("call").addEventListener("click", () => (room ? room.disconnect() : call()));
at("create-agent").addEventListener("click", createAgent);
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", at("key").value.trim());
  open(takeKey());
});
open(takeKey());
