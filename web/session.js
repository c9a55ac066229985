// Who is signed in: a key is exchanged once for a cookie that no script can read, and is kept nowhere.

import { ApiError, get, post, remove } from "./api.js";
import { confirm } from "./parts/dialog.js";
import { fail } from "./parts/notices.js";
import { html, render } from "./preact.js";
import { mayLeave } from "./router.js";

const UNKNOWN = "This key is not accepted here. Look at the address that make up printed, or paste another key.";
/** What is said of a key that begins no session, by the status of the answer. */
export const REFUSED = {
  400: UNKNOWN, // no key looks like that
  401: UNKNOWN,
  403: "This key may not do that: the console needs a secret key, not a publishable one.",
};

/**
 * The session of this browser, `{ tenant, rights, expires_at }`, or null. A key that came in the address (`#key=…`, as
 * `make up` prints it) begins one; it disappears from there. Who is signed in stays so if it is not accepted, and is asked
 * before it is another tenant's.
 */
export async function resume() {
  const given = keyInAddress();
  if (given) history.replaceState(history.state, "", location.pathname + location.search);
  const before = await current();
  if (!given) return before;
  try {
    return before ? await change(before, given) : await signIn(given);
  } catch (error) {
    if (!(error.status in REFUSED)) throw error;
    fail(new Error(REFUSED[error.status]));
    return before;
  }
}

const tabs = new BroadcastChannel("session");

/** Call `act(session)` when another tab of this browser has begun a session, and with null when it has ended the one there was. */
export function onOtherTab(act) {
  tabs.addEventListener("message", ({ data }) => act(data));
}

/** Call `act` when an address with a key was opened in this tab, as by a click on one that differs in nothing else. */
export function onKeyInAddress(act) {
  window.addEventListener("hashchange", () => keyInAddress() && act());
}

function keyInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get("key");
}

/** The session that a key begins in place of another; that one, if it is another tenant's and nobody wants that. */
async function change(before, key) {
  if (/[^ -~]/.test(key)) throw new ApiError(401, UNKNOWN); // no header takes it
  const { tenant } = await get("/v1/session", {}, { headers: { Authorization: `Bearer ${key.trim()}` } });
  if (tenant.id === before.tenant.id) return signIn(key);
  const question = html`Sign in as <bdi>${tenant.name}</bdi> instead of <bdi>${before.tenant.name}</bdi>?`;
  const detail = "The address that was opened has a key of another tenant. You are signed in with it in every tab of this browser.";
  if (!(await confirm(question, { action: "Sign in", detail, danger: false })) || !(await mayLeave())) return before;
  await signIn(key);
  startOver(location.pathname + location.search);
  return before;
}

/** Load the console anew: nothing of what was loaded for somebody else stays in the page. */
export function startOver(address) {
  render(null, document.getElementById("console")); // with it go those who would ask whether the page may be left
  location.assign(address);
}

async function current() {
  try {
    return await get("/v1/session");
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

export async function signIn(key) {
  const begun = await post("/v1/session", { key: key.trim() });
  tabs.postMessage(begun);
  return begun;
}

/** Gone from here for good, unless something was written that is not to be lost. */
export async function signOut() {
  if (!(await mayLeave())) return;
  await remove("/v1/session").catch((error) => {
    if (error.status !== 401) throw error; // it is over already
  });
  tabs.postMessage(null);
  startOver("/");
}
