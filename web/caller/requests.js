// Requests to the API of a page that nobody is signed in on: each with a publishable key, a call's token, or nothing.

import { messages } from "../stream.js";

/** The API said no, in its own words, or did not answer at all (status 0). */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

export async function get(server, path) {
  return (await ask(server, path, null, {})).json();
}

/** @param server the address of the API, with a slash at its end. */
export async function post(server, path, body, secret) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(server, path, secret, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** What happens in a call and is said there, `{ kind, data }`, each once, also over lost connections, until its end. */
export function follow(server, callId, token, signal) {
  return messages((lastId, closing) => {
    const headers = lastId ? { "Last-Event-ID": lastId } : {};
    return ask(server, `v1/calls/${callId}/stream`, token, { headers, signal: closing });
  }, signal);
}

async function ask(server, path, secret, { headers, ...more }) {
  const shown = secret ? { Authorization: `Bearer ${secret}` } : {};
  let response;
  try {
    // Without cookies: whoever is signed in to the console in this browser is not asking here.
    response = await fetch(new URL(path, server), { credentials: "omit", headers: { ...headers, ...shown }, ...more });
  } catch {
    throw new Refused(0, "", "The server does not answer. Try again in a moment.");
  }
  if (response.ok) return response;
  const { error, code } = await response.json().catch(() => ({}));
  throw new Refused(response.status, code, error ?? `The server answered with status ${response.status}.`);
}
