// One call from this browser: its room, and what the API tells of it. What is heard of both goes to one listener.

import { follow, post } from "../../api.js";
import { fetched } from "../../modules.js";

const ENDED = new Set(["call.completed", "call.failed"]); // kinds of events
const TICK_MS = 1000;
const STILL_MS = 10_000; // a page that ticks so much later was frozen, or the machine asleep

/**
 * Open the microphone and create the call; the error's message says why there is none.
 *
 * @param tell called with what has changed of `{ state, segment, canHear, microphone, stoodStill, isAnswering, reason }`.
 */
export async function placeCall(agentId, { variables, deviceId, tell }) {
  const { Conversation, openMicrophone } = await fetched(import("../../conversation.js"));
  const microphone = await openMicrophone(deviceId);
  try {
    const participants = [{ transport: "webrtc", identity: `browser-${crypto.randomUUID()}` }];
    const created = await post("/v1/calls", { agent_id: agentId, participants, variables, metadata: { source: "console" } });
    return new SpokenCall(created, tell, (listeners) => new Conversation(microphone, listeners));
  } catch (error) {
    microphone.stop();
    throw error;
  }
}

class SpokenCall {
  #tell;
  #conversation;
  #access;
  #closing = new AbortController();
  #joined = false;
  #over = false;

  constructor({ id, participants: [{ identity, access }], warnings }, tell, converse) {
    Object.assign(this, { id, identity, warnings });
    this.#access = access;
    this.#tell = (change) => this.#over || tell(change);
    this.#conversation = converse({
      onState: (state) => this.#tell({ state }),
      onLeft: () => this.#tell({ state: "over" }),
      onPlayback: (canHear) => this.#tell({ canHear }),
      onMicrophone: (microphone) => this.#tell({ microphone }),
    });
  }

  get sound() {
    return this.#conversation.sound;
  }

  /** Talk until the call is over, whoever ends it; the last thing told is the `reason`. */
  async run() {
    await this.#join();
    const stopWatching = this.#watchStandstills();
    const onTrouble = (error) => this.#tell({ isAnswering: error === null });
    try {
      for await (const { kind, data } of follow(`/v1/calls/${this.id}/stream`, {}, { signal: this.#closing.signal, onTrouble })) {
        if (kind === "segment") this.#tell({ segment: data });
        if (kind === "event") this.#conversation.note(data);
        if (kind === "event" && ENDED.has(data.kind)) return this.#finish(data.data.reason);
      }
    } finally {
      stopWatching();
      await this.#conversation.leave();
    }
    this.#finish(null);
  }

  /** Leave the room, which ends the call; one that we never got into is ended through the API. */
  async hangUp() {
    this.#finish("caller_hung_up");
    this.#closing.abort();
    await this.#conversation.leave();
    if (!this.#joined) await post(`/v1/calls/${this.id}/end`);
  }

  mute(muted) {
    return this.#conversation.mute(muted);
  }

  hear() {
    return this.#conversation.hear();
  }

  useMicrophone(deviceId) {
    return this.#conversation.useMicrophone(deviceId);
  }

  async #join() {
    try {
      await this.#conversation.join(this.#access);
    } catch (error) {
      if (this.#over) return; // hung up before it was answered
      await post(`/v1/calls/${this.id}/end`).catch(() => {}); // what went wrong first is what counts
      throw error;
    }
    this.#joined = true;
    this.#tell({ joined: true });
  }

  #finish(reason) {
    this.#tell({ state: "over", reason });
    this.#over = true;
  }

  #watchStandstills() {
    let last = Date.now();
    const timer = setInterval(() => {
      const stood = Date.now() - last - TICK_MS;
      last = Date.now();
      if (stood > STILL_MS) this.#tell({ stoodStill: Math.round(stood / 1000) });
    }, TICK_MS);
    return () => clearInterval(timer);
  }
}
