// One call as it is now: read once, then told of what is new, until nothing more will come.

import { useCallback, useEffect, useState } from "../../preact.js";
import { follow, get } from "../../api.js";
import { isRefused } from "../../stream.js";

const OVER = new Set(["completed", "failed"]);
const DRAW_MS = 60; // what comes in bursts is shown together
const RENEW_MS = 250;
const AGAIN_MS = 2_000;
const LAST_WORDS_MS = 120_000; // so long after its end something may still come of a call that looks complete

export function isOver(call) {
  return OVER.has(call.status);
}

/**
 * Follow a call for as long as the page shows it.
 *
 * @returns `{ call, segments, events, error, trouble, isFollowed, again }`: its detail, undefined before there is one; its transcript
 *     and log as far as they are known; `trouble` says why nothing is heard of it for a while; `again()` begins anew, as after
 *     something was asked for.
 */
export function useCall(id) {
  const [state, setState] = useState({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    const { signal } = aborter;
    const show = (shown) => signal.aborted || setState(shown);
    new Following(id, show, signal).run();
    return () => aborter.abort();
  }, [id, round]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  return { ...state, again };
}

class Following {
  #address;
  #show;
  #signal;
  #call;
  #segments = new Map(); // sequence -> segment
  #events = new Map(); // number -> event
  #isFollowed = true;
  #trouble = null;
  #error;
  #drawing = null;
  #renewing = null;

  constructor(id, show, signal) {
    this.#address = `/v1/calls/${encodeURIComponent(id)}`;
    this.#show = show;
    this.#signal = signal;
    signal.addEventListener("abort", () => [this.#drawing, this.#renewing].forEach(clearTimeout));
  }

  async run() {
    try {
      await this.#follow();
    } catch (error) {
      this.#error = error;
    }
    this.#isFollowed = false; // nothing more will come by itself
    this.#trouble = null;
    this.#draw();
  }

  async #follow() {
    await this.#read();
    if (isComplete(this.#call)) return;
    this.#draw();
    const known = Math.max(0, ...this.#events.keys()); // the stream begins with what happened first
    const onTrouble = (error) => {
      if (this.#trouble === error) return;
      this.#trouble = error;
      this.#drawSoon();
    };
    for await (const { kind, data } of follow(`${this.#address}/stream`, {}, { signal: this.#signal, onTrouble })) {
      if (kind === "segment") put(this.#segments, data.sequence, data);
      if (kind === "event") {
        put(this.#events, numberOf(data), data);
        if (numberOf(data) > known) this.#renewSoon(RENEW_MS);
      }
      if (kind === "turn" && !this.#knows(data)) this.#renewSoon(RENEW_MS);
      this.#drawSoon();
    }
    if (this.#signal.aborted) return;
    clearTimeout(this.#renewing);
    await this.#read();
  }

  async #read() {
    const call = await get(this.#address, {}, { signal: this.#signal });
    const erased = call.transcript.erased_at !== null;
    if (erased) this.#segments.clear();
    for (const segment of call.transcript.segments) {
      if (segment.is_final || !this.#segments.has(segment.sequence)) put(this.#segments, segment.sequence, segment);
    }
    for (const event of call.events) put(this.#events, numberOf(event), event);
    this.#call = { ...call, latency: newer(this.#call?.latency, call.latency), tool_calls: newer(this.#call?.tool_calls, call.tool_calls) };
  }

  #knows(turn) {
    return this.#call.latency?.turns.some(({ user_stopped_at_ms: at }) => at === turn.user_stopped_at_ms);
  }

  /** What the stream says has changed in the detail. */
  #renewSoon(ms) {
    clearTimeout(this.#renewing);
    this.#renewing = setTimeout(async () => {
      try {
        await this.#read();
        this.#draw();
      } catch (error) {
        if (!this.#signal.aborted && !isRefused(error)) this.#renewSoon(AGAIN_MS);
      }
    }, ms);
  }

  #drawSoon() {
    this.#drawing ??= setTimeout(() => this.#draw(), DRAW_MS);
  }

  #draw() {
    clearTimeout(this.#drawing);
    this.#drawing = null;
    const read = this.#call && { call: this.#call, segments: inOrder(this.#segments), events: inOrder(this.#events) };
    const state = { isFollowed: this.#isFollowed, trouble: this.#trouble, error: this.#error };
    this.#show((before) => ({ ...before, ...read, ...state }));
  }
}

function isComplete(call) {
  const awaited = call.intelligence_status === "pending" || call.recording.status === "pending";
  return isOver(call) && !awaited && Date.now() - Date.parse(call.ended_at) > LAST_WORDS_MS;
}

/** What is as it was stays the same object: so what shows it is not drawn again. */
function put(entries, key, entry) {
  entries.set(key, newer(entries.get(key), entry));
}

function newer(before, now) {
  return JSON.stringify(before) === JSON.stringify(now) ? before : now;
}

function numberOf(event) {
  return Number(event.id.slice("evt_".length));
}

function inOrder(entries) {
  return [...entries].sort(([one], [other]) => one - other).map(([, entry]) => entry);
}
