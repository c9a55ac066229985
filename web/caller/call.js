// One call, for somebody in it: the room, what is said, and how it ends.

import { follow, post } from "./requests.js";

const ENDED = new Set(["call.completed", "call.failed"]); // kinds of events
const REASON_WITHIN_MS = 10_000; // so long after the room is gone we wait to be told why

export class Call {
  #server;
  #way;
  #conversation;
  #onSegment;
  #following = new AbortController();

  /**
   * Open the microphone, then find the way into a call, then enter its room; the error says why not, as `told` takes it.
   *
   * @param findWay `() => Promise<{ id, token, access, participantId, agentName, isOwn }>`: not before there is a
   *     microphone, as it may use something up. An own call was begun for whoever is here, and is to be ended when they
   *     cannot join; any other goes on without them.
   * @param onState called with the agent's state whenever it changes, and "joined" before there is one.
   * @param onSegment called with every segment of the transcript as it grows, and whether the user of this page says it.
   * @param onPlayback, onMicrophone as those of a `Conversation`.
   */
  static async begin(server, findWay, { onState, onSegment, onPlayback, onMicrophone }) {
    // LiveKit's client is a hundred times the size of the rest: it comes when somebody calls.
    const { Conversation, openMicrophone } = await import("../conversation.js").catch(() => {
      throw new Error("The page could not be loaded to its end. Try again in a moment.");
    });
    const microphone = await openMicrophone();
    let way;
    try {
      way = await findWay();
    } catch (error) {
      microphone.stop();
      throw error;
    }
    const call = new Call(server, way, onSegment);
    call.#conversation = new Conversation(microphone, { onState, onPlayback, onMicrophone, onLeft: () => call.#leftRoom() });
    await call.#join(onState);
    return call;
  }

  constructor(server, way, onSegment) {
    this.#server = server;
    this.#way = way;
    this.#onSegment = onSegment;
  }

  get agentName() {
    return this.#way.agentName;
  }

  /** Tell what is said until the call is over; why it is (the API's `end_reason`), null if nobody says so any more. */
  async untilItsEnd() {
    const { id, token, participantId } = this.#way;
    try {
      for await (const { kind, data } of follow(this.#server, id, token, this.#following.signal)) {
        if (kind === "segment") this.#onSegment(data, data.participant_id === participantId);
        if (kind === "event") this.#conversation.note(data);
        if (kind === "event" && ENDED.has(data.kind)) return data.data.reason;
        if (kind === "end") return data.end_reason;
      }
      return null;
    } catch (error) {
      if (error.status === 401) return null; // it has been over for a while
      throw error;
    } finally {
      await this.#conversation.leave();
    }
  }

  /** Play the agent's voice where the browser waited for a click: this is to be called from one. */
  hear() {
    return this.#conversation.hear();
  }

  mute(muted) {
    return this.#conversation.mute(muted);
  }

  /** Leave the room, which ends the call unless others are in it. */
  async hangUp() {
    this.#following.abort();
    await this.#conversation.leave();
  }

  async #join(onState) {
    const { id, token, access, isOwn } = this.#way;
    onState("joined"); // the agent's own states come from now on, and may come before we are told that we are in
    try {
      await this.#conversation.join(access);
    } catch (error) {
      if (isOwn) await post(this.#server, `v1/calls/${id}/end`, {}, token).catch(() => {}); // what went wrong first counts
      console.error(error.message); // it names the server, which is for the page's author to know
      throw new Error("The call cannot be reached from this browser. Try again in a moment, or from another network.");
    }
  }

  #leftRoom() {
    setTimeout(() => this.#following.abort(), REASON_WITHIN_MS);
  }
}
