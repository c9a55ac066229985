// Where the console is: its address says it all, so that it can be sent, reloaded and gone back to.

import { useEffect, useState } from "./preact.js";

const listeners = new Set();
const guards = []; // who asks before the page is left: `() => Promise<boolean>` each
let isAsking = false;
let here = location.href;

/** The address as it is now: `{ path, query }`, the query as `URLSearchParams`. Renders anew when it changes. */
export function useAddress() {
  const [, renew] = useState({});
  useEffect(() => {
    const listener = () => renew({});
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Whether the page may be left, as who would lose something by that says; while that is asked, another step is none. */
export async function mayLeave() {
  if (isAsking) return false;
  isAsking = true;
  try {
    for (const ask of new Set(guards)) if (!(await ask())) return false;
  } finally {
    isAsking = false;
  }
  return true;
}

/**
 * Go to an address of the console, as a link does. The same path with another query is the same page, which stays.
 *
 * @param asks false: it was asked already, or there is nothing left that could be lost.
 */
export async function go(address, { asks = true } = {}) {
  if (isElsewhere(address)) {
    if (asks && !(await mayLeave())) return;
    guards.length = 0;
  }
  history.pushState(null, "", address);
  window.scrollTo(0, 0);
  tell();
}

/** Put filters into the address without another step in the history; what is "" or null leaves it. */
export function setQuery(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", text ? `${location.pathname}?${text}` : location.pathname);
  tell();
}

/** While `ask` is given, nobody leaves the page before it said yes (`() => Promise<boolean>`); also the browser asks. */
export function useLeaveGuard(ask) {
  useEffect(() => {
    if (!ask) return undefined;
    guards.push(ask);
    const warn = (leaving) => leaving.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => {
      const place = guards.indexOf(ask);
      if (place >= 0) guards.splice(place, 1);
      window.removeEventListener("beforeunload", warn);
    };
  }, [ask]);
}

function isElsewhere(address) {
  return new URL(address, location.href).pathname !== location.pathname;
}

function tell() {
  here = location.href;
  for (const listener of [...listeners]) listener();
}

window.addEventListener("popstate", async () => {
  const { pathname, search } = new URL(here);
  if (pathname === location.pathname && search === location.search) return; // another place in the same page
  if (guards.length > 0 && pathname !== location.pathname) {
    const wanted = location.href;
    history.pushState(null, "", here); // a step back cannot be refused, only taken back
    if (!(await mayLeave())) return;
    guards.length = 0;
    history.replaceState(null, "", wanted);
  }
  tell();
});

// Links stay links: they can be opened in another tab and read out; a plain click on one of ours loads nothing anew.
document.addEventListener("click", (click) => {
  const link = click.target.closest?.("a[href]");
  if (!link || click.defaultPrevented || click.button !== 0 || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
  if (link.origin !== location.origin || link.target || link.hasAttribute("download") || "external" in link.dataset) return;
  click.preventDefault();
  go(link.pathname + link.search + link.hash);
});
