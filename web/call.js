// One call on the page: from the microphone to what came of it.

import { Conversation, openMicrophone } from "./conversation.js";
import { hideOutcome, showOutcome, showWorking } from "./outcome.js";
import { Transcript } from "./transcript.js";

const at = (id) => document.getElementById(id);
const STATES = {
  connecting: "Connecting …",
  joined: "Waiting for the agent …",
  initializing: "Getting ready …",
  listening: "Listening",
  thinking: "Thinking …",
  speaking: "Speaking",
  reconnecting: "The line is down, reconnecting …",
  over: "The call is over",
};
const ENDINGS = {
  caller_hung_up: "You hung up",
  agent_hung_up: "The agent hung up",
  agent_lost: "The agent was lost",
  shut_down: "Callroom was shut down",
  no_agent: "No agent was free",
  nobody_joined: "The call was not joined",
  connection_lost: "The connection was lost",
  ended_by_api: "The call was ended",
  room_deleted: "The call was ended",
  max_duration: "The call reached its longest duration",
  silence: "Nobody said anything any more",
  credits_used_up: "The credits are used up",
  provider_failed: "A speech or language service failed",
};
const ENDED = new Set(["call.completed", "call.failed"]); // kinds of events

export class Call {
  #api;
  #id;
  #access;
  #transcript;
  #conversation;
  #joined = false;
  #over = false;
  #clock;

  /** Open the microphone and create the call; the error's message says why there is none. */
  static async place(api, agent) {
    const microphone = await openMicrophone();
    try {
      const identity = `browser-${crypto.randomUUID()}`;
      return new Call(api, agent, identity, await api.call(agent.id, identity), microphone);
    } catch (error) {
      microphone.stop();
      throw error;
    }
  }

  constructor(api, agent, identity, created, microphone) {
    this.#api = api;
    this.#id = created.id;
    this.#access = created.participants[0].access;
    this.#transcript = new Transcript(at("transcript"), at("announcer"), { agentName: agent.name, identity });
    this.#conversation = new Conversation(microphone, {
      onState: (state) => this.#show(state),
      onLeft: () => this.#finish(),
    });
    at("agent-name").textContent = agent.name;
    at("clock").textContent = "";
    at("controls").hidden = false;
    at("again").hidden = true;
    showMuted(false);
    hideOutcome();
    this.#show("connecting");
  }

  /**
   * Talk until somebody ends the call, then show what came of it.
   *
   * Why it ended is said at once: whoever shuts Callroom down does not wait for what comes of it.
   */
  async run() {
    await this.#join();
    try {
      for await (const { kind, data } of this.#api.follow(this.#id)) {
        if (kind === "segment") this.#transcript.put(data);
        if (kind === "event" && ENDED.has(data.kind)) this.#end(data.data.reason);
      }
    } finally {
      this.#finish();
      await this.#conversation.leave();
    }
    const detail = await this.#api.detail(this.#id);
    this.#transcript.replace(detail.transcript.segments);
    showOutcome(detail);
    at("again").hidden = false;
  }

  /** Leave the room, which ends the call; one that we never got into is ended through the API. */
  async hangUp() {
    this.#finish();
    await this.#conversation.leave();
    if (!this.#joined) await this.#api.end(this.#id);
  }

  async toggleMute() {
    const muted = at("mute").getAttribute("aria-pressed") !== "true";
    await this.#conversation.mute(muted);
    showMuted(muted);
  }

  async #join() {
    try {
      await this.#conversation.join(this.#access);
    } catch (error) {
      if (this.#over) return; // hung up before it was answered
      await this.#api.end(this.#id).catch(() => {}); // what went wrong first is what counts
      throw error;
    }
    this.#joined = true;
    if (at("avatar").dataset.state === "connecting") this.#show("joined");
    const started = Date.now();
    this.#clock = setInterval(() => showClock((Date.now() - started) / 1000), 250);
  }

  /** The talking is over, the rest takes a moment. */
  #finish() {
    if (this.#over) return;
    clearInterval(this.#clock);
    this.#show("over");
    this.#over = true;
    at("controls").hidden = true;
    showWorking();
  }

  #end(reason) {
    this.#finish();
    at("status").textContent = ENDINGS[reason] ?? STATES.over;
  }

  #show(state) {
    if (this.#over) return;
    at("avatar").dataset.state = state;
    at("status").textContent = STATES[state] ?? "";
  }
}

function showMuted(muted) {
  at("mute").setAttribute("aria-pressed", muted);
  at("mute").textContent = muted ? "Unmute" : "Mute";
}

function showClock(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  at("clock").textContent = `${minutes}:${String(rest).padStart(2, "0")}`;
}
