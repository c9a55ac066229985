// Who is signed in: a key is exchanged once for a cookie that no script can read, and is kept nowhere.

import { get, post, remove } from "./api.js";

/**
 * The session of this browser, `{ tenant, rights, expires_at }`, or null. A key that came in the address (`#key=…`, as
 * `make up` prints it) begins one; it disappears from there.
 */
export async function resume() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    history.replaceState(history.state, "", location.pathname + location.search);
    return signIn(given);
  }
  try {
    return await get("/v1/session");
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

export function signIn(key) {
  return post("/v1/session", { key: key.trim() });
}

export function signOut() {
  return remove("/v1/session");
}
