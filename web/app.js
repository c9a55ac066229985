// The page: which of its parts is shown, and what its buttons do.

import { Api } from "./api.js";
import { Call } from "./call.js";
import { FIRST_AGENT } from "./first-agent.js";
import { forgetKey, keepKey, takeKey } from "./key.js";
import { hideOutcome } from "./outcome.js";

const at = (id) => document.getElementById(id);
const REFUSED = {
  401: "This key is not accepted here. Look at the address that make up printed, or paste another key.",
  403: "This key may not do that: the page needs a secret key, not a publishable one.",
};

let api;
let call;

function show(part) {
  for (const id of ["sign-in", "welcome", "call"]) at(id).hidden = id !== part;
}

function notify(text = "") {
  at("notice").textContent = text;
  at("notice").hidden = text === "";
}

/** Show what went wrong; a key that is not good enough is asked for again. */
function fail(error) {
  const refused = REFUSED[error.status];
  notify(refused ?? error.message);
  if (refused) {
    forgetKey();
    askForKey();
  }
}

function askForKey() {
  show("sign-in");
  at("key").value = "";
  at("key").focus();
}

/** Begin with the key that there is: choose an agent, or say that there is none. */
async function begin() {
  notify();
  const key = takeKey();
  if (!key) return askForKey();
  api = new Api(key);
  try {
    welcome(await api.agents());
  } catch (error) {
    fail(error);
  }
}

function welcome(agents) {
  const chosen = at("agent").value;
  at("agent").replaceChildren(...agents.map(({ id, name }) => new Option(name, id, false, id === chosen)));
  at("with-agents").hidden = agents.length === 0;
  at("without-agents").hidden = agents.length > 0;
  show("welcome");
  (agents.length > 0 ? at("start") : at("first-agent")).focus();
}

/** Do something that a button asks for; it cannot be asked for twice at once. */
async function busy(button, work) {
  notify();
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
  }
}

at("sign-in").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  keepKey(at("key").value);
  begin();
});

at("first-agent").addEventListener("click", () =>
  busy(at("first-agent"), async () => {
    await api.createAgent(FIRST_AGENT);
    welcome(await api.agents());
  }),
);

at("start").addEventListener("click", () =>
  busy(at("start"), async () => {
    const [{ value: id, text: name }] = at("agent").selectedOptions;
    call = await Call.place(api, { id, name });
    show("call");
    at("hang-up").focus();
    try {
      await call.run();
    } catch (error) {
      show("welcome");
      throw error;
    }
    at("again").focus();
  }),
);

at("hang-up").addEventListener("click", () => call.hangUp().catch(fail));
at("mute").addEventListener("click", () => call.toggleMute());
at("again").addEventListener("click", () => {
  hideOutcome();
  begin();
});
window.addEventListener("hashchange", () => at("call").hidden && begin());

begin();
