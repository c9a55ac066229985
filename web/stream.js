// Server-sent events over fetch, because the browser's own EventSource cannot send a key.

const RETRY_MS = 1000;
const SILENCE_MS = 40_000; // the api sends something every 15 seconds; a connection without it is dead

/**
 * Every message of a stream once, `{ kind, data }`, also when connections are lost, until the one of kind `end`.
 *
 * @param open `(lastId, signal) => Promise<Response>`, a connection that goes on behind the message `lastId`; what it
 *     throws ends the stream if it has a `status` between 400 and 499.
 */
export async function* messages(open) {
  let lastId = "";
  for (;;) {
    try {
      for await (const message of connection(open, lastId)) {
        lastId = message.id;
        yield { kind: message.event, data: JSON.parse(message.data) };
        if (message.event === "end") return;
      }
    } catch (error) {
      if (error.status >= 400 && error.status < 500) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The messages of one connection. */
async function* connection(open, lastId) {
  const aborter = new AbortController();
  let watchdog = setTimeout(() => aborter.abort(), SILENCE_MS);
  try {
    const response = await open(lastId, aborter.signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => aborter.abort(), SILENCE_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const message = parse(block);
        if (message.event) yield message;
      }
    }
  } finally {
    clearTimeout(watchdog);
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
