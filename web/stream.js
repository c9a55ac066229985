// Server-sent events over fetch: the browser's own EventSource neither says why it was refused nor sees a dead line.

const RETRY_MS = 1000;
const SILENCE_MS = 40_000; // the api sends something every 15 seconds; a connection without it is dead
const HIDDEN_MS = 10_000;
const LATER = new Set([408, 429]); // the same is asked again in a while

/**
 * Every message of a stream once, `{ kind, data }`, also when connections are lost, until the one of kind `end`, or
 * until `signal` is aborted.
 *
 * @param open `(lastId, signal) => Promise<Response>`, a connection that goes on behind the message `lastId`; what it
 *     throws ends the stream if it `isRefused`; its `retryAfter`, in seconds, says when the next attempt may be made. Its
 *     `signal` is aborted with a `TimeoutError` when nothing comes any more.
 * @param rests whether there is no connection while nobody sees the page: over HTTP/1.1 a browser has six for all its tabs.
 */
export async function* messages(open, signal, { rests = false } = {}) {
  let lastId = "";
  while (!signal?.aborted) {
    if (rests) await shown(signal);
    if (signal?.aborted) return;
    let pause = RETRY_MS;
    try {
      for await (const message of connection(open, lastId, signal, rests)) {
        lastId = message.id ?? lastId;
        yield { kind: message.event, data: JSON.parse(message.data) };
        if (message.event === "end") return;
      }
    } catch (error) {
      if (isRefused(error)) throw error;
      pause = Math.max(pause, (error.retryAfter ?? 0) * 1000);
    }
    if (!signal?.aborted) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** Whether the API will say the same no again. */
export function isRefused({ status }) {
  return status >= 400 && status < 500 && !LATER.has(status);
}

/** The messages of one connection. */
async function* connection(open, lastId, signal, rests) {
  const aborter = new AbortController();
  const abort = () => aborter.abort();
  const giveUp = () => aborter.abort(new DOMException("Nothing comes any more.", "TimeoutError"));
  signal?.addEventListener("abort", abort);
  const cease = rests ? onHidden(abort) : () => {};
  let watchdog = setTimeout(giveUp, SILENCE_MS);
  try {
    const response = await open(lastId, aborter.signal);
    if (response.status === 204) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(giveUp, SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const message = parse(block);
        if (message.event) yield message;
      }
    }
  } finally {
    clearTimeout(watchdog);
    cease();
    signal?.removeEventListener("abort", abort);
    aborter.abort();
  }
}

/** Wait until the page is seen, or `signal` is aborted. */
function shown(signal) {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal?.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal?.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal?.addEventListener("abort", look);
    look();
  });
}

/** Call `act` when the page was hidden for a while; returns a function that ends it. */
function onHidden(act) {
  let timer = null;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(act, HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

/** The fields of a message; a comment has none. */
function parse(block) {
  return Object.fromEntries(
    block.split("\n").map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
}
