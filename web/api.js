// Requests to the API, for whoever is signed in.

import { messages } from "./stream.js";

const OWN_PAGE = { "X-Callroom-Session": "console" }; // what no page of another origin can send
const LATE_MS = 90_000; // the api itself waits up to a minute for a database that is away
let signedOut = () => {};
const signIns = new EventTarget();

/** The API said no, in its own words, or did not answer at all (status 0). */
export class ApiError extends Error {
  /** @param details `[{ path, message }]`: the fields that are not as expected. */
  constructor(status, message, { code = "", details = [], retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, details, retryAfter });
  }
}

/** Call `listener` when the API no longer knows whoever is signed in. */
export function onSignedOut(listener) {
  signedOut = listener;
}

/** Whoever was signed out is signed in again: what was asked for meanwhile is asked for now. */
export function signedIn() {
  signIns.dispatchEvent(new Event("again"));
}

function untilSignedIn(signal) {
  return new Promise((resolve) => {
    signIns.addEventListener("again", resolve, { once: true });
    signal?.addEventListener("abort", resolve, { once: true });
  });
}

/** @param query an object: what is null, undefined or "" is left out. */
export function get(path, query = {}, { signal, headers } = {}) {
  return read("GET", withQuery(path, query), { signal, headers });
}

export function post(path, body = {}, { headers } = {}) {
  return read("POST", path, { body, headers });
}

export function put(path, body, { headers } = {}) {
  return read("PUT", path, { body, headers });
}

export function patch(path, body) {
  return read("PATCH", path, { body });
}

/** DELETE; its answer has no body. */
export function remove(path) {
  return read("DELETE", path);
}

/**
 * The messages of a stream of server-sent events as they come, `{ kind, data }`, each once, also over lost connections,
 * until its `end` or until `signal` is aborted. While nobody sees the page there is no connection.
 *
 * @param onTrouble called with the `ApiError` of a connection that failed, and with null when there is one again.
 */
export function follow(path, query = {}, { signal, onTrouble = () => {} } = {}) {
  const open = async (lastId, closing) => {
    const headers = lastId ? { "Last-Event-ID": lastId } : {};
    closing.addEventListener("abort", () => closing.reason.name === "TimeoutError" && onTrouble(noAnswer()));
    try {
      const response = await ask("GET", withQuery(path, query), { headers, signal: closing });
      onTrouble(null);
      return response;
    } catch (error) {
      if (!closing.aborted) onTrouble(error);
      throw error;
    }
  };
  return messages(open, signal, { rests: true });
}

export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length > 0 ? `${path}?${new URLSearchParams(given)}` : path;
}

async function ask(method, path, { body, headers = {}, signal }) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  if (body !== undefined) headers = { "Content-Type": "application/json", ...headers };
  let response;
  try {
    response = await fetch(path, { method, headers: { ...OWN_PAGE, ...headers }, signal, ...sent });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw noAnswer();
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  if (response.status === 401 && path !== "/v1/session") {
    signedOut();
    if (method === "GET") return untilSignedIn(signal).then(() => ask(method, path, { headers, signal }));
  }
  throw new ApiError(response.status, said.error ?? `The server answered with status ${response.status}.`, {
    code: said.code,
    details: said.details,
    retryAfter: Number(response.headers.get("Retry-After") ?? 0),
  });
}

/** The whole answer, null if it has no body. */
async function read(method, path, { signal, ...more } = {}) {
  const late = AbortSignal.timeout(LATE_MS);
  try {
    const response = await ask(method, path, { ...more, signal: signal ? AbortSignal.any([signal, late]) : late });
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    throw error instanceof ApiError || signal?.aborted ? error : noAnswer();
  }
}

function noAnswer() {
  return new ApiError(0, "Callroom does not answer. Is it still running?");
}
