// Server-sent events over fetch: the browser's own EventSource neither says why it was refused nor sees a dead line.

const RETRY_MS = 1000;
const SILENCE_MS = 40_000; // the api sends something every 15 seconds; a connection without it is dead

/**
 * Every message of a stream once, `{ kind, data }`, also when connections are lost, until the one of kind `end`, or
 * until `signal` is aborted.
 *
 * @param open `(lastId, signal) => Promise<Response>`, a connection that goes on behind the message `lastId`; what it
 *     throws ends the stream if it has a `status` between 400 and 499.
 */
export async function* messages(open, signal) {
  let lastId = "";
  while (!signal?.aborted) {
    try {
      for await (const message of connection(open, lastId, signal)) {
        lastId = message.id ?? lastId;
        yield { kind: message.event, data: JSON.parse(message.data) };
        if (message.event === "end") return;
      }
    } catch (error) {
      if (error.status >= 400 && error.status < 500) throw error;
    }
    if (!signal?.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The messages of one connection. */
async function* connection(open, lastId, signal) {
  const aborter = new AbortController();
  const abort = () => aborter.abort();
  signal?.addEventListener("abort", abort);
  let watchdog = setTimeout(abort, SILENCE_MS);
  try {
    const response = await open(lastId, aborter.signal);
    if (response.status === 204) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const message = parse(block);
        if (message.event) yield message;
      }
    }
  } finally {
    clearTimeout(watchdog);
    signal?.removeEventListener("abort", abort);
    aborter.abort();
  }
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
