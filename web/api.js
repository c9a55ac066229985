// The API of the server that this page came from.

const RECONNECT_MS = 1000;

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  #key;

  constructor(key) {
    this.#key = key;
  }

  async get(path) {
    return this.#json(await this.#fetch(path));
  }

  async post(path, body) {
    const headers = { "Content-Type": "application/json" };
    return this.#json(await this.#fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
  }

  // A call's messages, {kind, data}, until its end; a lost connection goes on behind the last message.
  async *stream(callId) {
    let last = null;
    for (;;) {
      try {
        const headers = last ? { "Last-Event-ID": last } : {};
        const response = await this.#fetch(`/v1/calls/${callId}/stream`, { headers });
        if (!response.ok) throw await problem(response);
        if (response.status === 204) return;
        for await (const message of messages(response.body)) {
          last = message.id ?? last;
          yield message;
          if (message.kind === "end") return;
        }
      } catch (error) {
        if (error instanceof ApiError && error.status < 500) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  }

  #fetch(path, options = {}) {
    return fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.#key}` } });
  }

  async #json(response) {
    if (!response.ok) throw await problem(response);
    return response.json();
  }
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body.error ?? `The server answered ${response.status}.`);
}

// Server-sent events. EventSource cannot send an Authorization header, so they are read by hand.
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => split(line)));
      if (fields.data) yield { id: fields.id, kind: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

function split(line) {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
