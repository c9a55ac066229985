// All calls that ring or run, and how many wait, as one stream tells of them.

import { useEffect, useRef, useState } from "../../preact.js";
import { follow } from "../../api.js";

const DRAWN_MS = 100; // what comes meanwhile is drawn together
const STAYS_MS = 10_000; // a call that is over is shown for so long, with why
const OVER = new Set(["completed", "failed"]);

export const isOver = (call) => OVER.has(call.status);

/**
 * The calls of the tenant that run or ring, those that began first before the others.
 *
 * @returns `{ calls, waiting, isReady, round, trouble, error }`: each of `calls` is `{ call, segments }`, its segments in
 *     order; `waiting` is how many calls wait for their turn; `round` is another with each connection, behind which what was
 *     said meanwhile is to be read anew; `trouble` is an error while the stream is being made anew, `error` one behind
 *     which it is not.
 */
export function useLive() {
  const [state, setState] = useState({ calls: [], waiting: 0, isReady: false, round: 0 });
  const live = useRef(null);
  useEffect(() => {
    const aborter = new AbortController();
    let [trouble, error, drawing] = [null, null, null];
    const draw = () => {
      drawing ??= setTimeout(() => {
        drawing = null;
        const { waiting, isReady, round } = live.current;
        setState({ calls: live.current.list(), waiting, isReady, round, trouble, error });
      }, DRAWN_MS);
    };
    live.current = new LiveCalls((id) => setTimeout(() => live.current.forget(id) && draw(), STAYS_MS));
    const onTrouble = (failure) => {
      trouble = failure;
      if (!failure) live.current.begin();
      draw();
    };
    const read = async () => {
      const query = { include: "segments" };
      for await (const message of follow("/v1/calls/stream", query, { signal: aborter.signal, onTrouble })) {
        live.current.take(message);
        draw();
      }
    };
    read().catch((refusal) => {
      if (aborter.signal.aborted) return;
      error = refusal;
      draw();
    });
    return () => {
      aborter.abort();
      clearTimeout(drawing);
    };
  }, []);
  return state;
}

/** What the messages of the stream come to. */
class LiveCalls {
  isReady = false;
  waiting = 0;
  round = 0;
  #calls = new Map(); // id -> { call, segments }
  #listed = new Set(); // those that this connection told of
  #onOver;

  /** @param onOver called with the id of a call that has just ended. */
  constructor(onOver) {
    this.#onOver = onOver;
  }

  /** A connection begins: it tells of all that there is, also of what was said last, and then that it has. */
  begin() {
    this.round += 1;
    this.#listed.clear();
    for (const { call, segments } of this.#calls.values()) if (!isOver(call)) segments.clear();
  }

  take({ kind, data }) {
    if (kind === "call") this.#put(data);
    if (kind === "segment") this.#say(data);
    if (kind === "ready") this.#keepListed();
    if (kind === "queue") this.waiting = data.calls;
  }

  /** True if it was there. */
  forget(id) {
    return this.#calls.delete(id);
  }

  list() {
    const all = [...this.#calls.values()].map(({ call, segments }) => ({
      call,
      segments: [...segments.values()].sort((one, other) => one.sequence - other.sequence),
    }));
    return all.sort((one, other) => one.call.created_at.localeCompare(other.call.created_at));
  }

  #put(call) {
    if (call.status === "queued") return;
    this.#listed.add(call.id);
    const known = this.#calls.get(call.id);
    if (isOver(call) && (!known || isOver(known.call))) return; // as when it is analysed later
    this.#calls.set(call.id, { call, segments: known?.segments ?? new Map() });
    if (isOver(call)) this.#onOver(call.id);
  }

  #say(segment) {
    const known = this.#calls.get(segment.call_id);
    if (known) known.segments.set(segment.sequence, segment);
  }

  /** What ended while there was no connection is gone. */
  #keepListed() {
    this.isReady = true;
    for (const [id, { call }] of this.#calls) if (!this.#listed.has(id) && !isOver(call)) this.#calls.delete(id);
  }
}
