// Requests to the API, for whoever is signed in.

import { messages } from "./stream.js";

const OWN_PAGE = { "X-Callroom-Session": "console" }; // what no page of another origin can send
const LATE_MS = 90_000; // the api itself waits up to a minute for a database that is away
const SESSION = "/v1/session";
let signedOut = () => {};
let isOver = false; // the session, as far as the API has said
const signIns = new EventTarget();

/** The API said no, in its own words, or did not answer at all (status 0). */
export class ApiError extends Error {
  /** @param details `[{ path, message }]`: the fields that are not as expected. */
  constructor(status, message, { code = "", details = [], retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, details, retryAfter });
  }
}

/**
 * Call `listener(isPressed)` whenever the API says that the session is over: true where somebody has pressed a button, false
 * where something was only to be read.
 */
export function onSignedOut(listener) {
  signedOut = listener;
}

/** Whoever was signed out is signed in again: what was asked for meanwhile is asked for now. */
export function signedIn() {
  isOver = false;
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

/** What is answered by other than JSON, as a `Blob`. */
export function postForFile(path, body) {
  return read("POST", path, { body, kind: "blob" });
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
    closing.addEventListener("abort", () => closing.reason.name === "TimeoutError" && !isOver && onTrouble(noAnswer()));
    try {
      const response = await inSession("GET", path, closing, () => ask("GET", withQuery(path, query), { headers, signal: closing }));
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
  throw new ApiError(response.status, said.error ?? `The server answered with status ${response.status}.`, {
    code: said.code,
    details: said.details,
    retryAfter: Number(response.headers.get("Retry-After") ?? 0),
  });
}

/** What `request()` gives. What is only read is asked for again when somebody is signed in again, however long that takes. */
async function inSession(method, path, signal, request) {
  try {
    return await request();
  } catch (error) {
    if (error.status !== 401 || path === SESSION) throw error;
    isOver = true;
    signedOut(method !== "GET");
    if (method !== "GET") throw new ApiError(401, "The session is over: sign in and press it again.");
  }
  await untilSignedIn(signal);
  signal?.throwIfAborted();
  return inSession(method, path, signal, request);
}

/** The whole answer, null if it has no body. */
function read(method, path, { signal, kind = "json", ...more } = {}) {
  return inSession(method, path, signal, async () => {
    const late = AbortSignal.timeout(LATE_MS);
    try {
      const response = await ask(method, path, { ...more, signal: signal ? AbortSignal.any([signal, late]) : late });
      return response.status === 204 ? null : await response[kind]();
    } catch (error) {
      throw error instanceof ApiError || signal?.aborted ? error : noAnswer();
    }
  });
}

function noAnswer() {
  return new ApiError(0, "Callroom does not answer. Is it still running?");
}
