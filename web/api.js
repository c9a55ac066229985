// The requests that this page makes.

import { messages } from "./stream.js";

/** The API said no, in its own words, or did not answer at all (status 0). */
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

  /** The agents, the newest 200. */
  async agents() {
    return (await this.#json("GET", "/v1/agents?limit=200")).agents;
  }

  createAgent(agent) {
    return this.#json("POST", "/v1/agents", agent);
  }

  /** A new call between one agent and this browser: its id, and in `participants[0].access` the way into its room. */
  call(agentId, identity) {
    return this.#json("POST", "/v1/calls", {
      agent_id: agentId,
      participants: [{ transport: "webrtc", identity }],
      metadata: { source: "page" },
    });
  }

  end(callId) {
    return this.#json("POST", `/v1/calls/${callId}/end`, {});
  }

  detail(callId) {
    return this.#json("GET", `/v1/calls/${callId}`);
  }

  /** What happens in a call as it happens: `{ kind: "event" | "segment" | "end", data }`, each once, until the end. */
  follow(callId) {
    return messages((lastId, signal) => {
      const headers = lastId ? { "Last-Event-ID": lastId } : {};
      return this.#ask("GET", `/v1/calls/${callId}/stream`, { headers, signal });
    });
  }

  async #json(method, path, body) {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    return (await this.#ask(method, path, json)).json();
  }

  async #ask(method, path, { headers = {}, ...more } = {}) {
    let response;
    try {
      response = await fetch(path, { method, headers: { ...headers, Authorization: `Bearer ${this.#key}` }, ...more });
    } catch {
      throw new ApiError(0, "Callroom does not answer. Is it still running?");
    }
    if (!response.ok) {
      const { error } = await response.json().catch(() => ({}));
      throw new ApiError(response.status, error ?? `The server answered with status ${response.status}.`);
    }
    return response;
  }
}
