// The API key of this tab: it comes in the address or from the form, and leaves with the tab.

const NAME = "callroom-key";

/** The key that the address brought, which disappears from there, or the one that was kept; "" if there is none. */
export function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    keepKey(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(NAME) ?? "";
}

export function keepKey(key) {
  sessionStorage.setItem(NAME, key.trim());
}

export function forgetKey() {
  sessionStorage.removeItem(NAME);
}
