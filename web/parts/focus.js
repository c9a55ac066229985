// Where the keyboard goes on when what it was at is gone: a row that was deleted, a button that did what it was for.

const AROUND = "section, details";

/** Whatever has the focus and goes hands it on to the heading of what was around it, and is still there. */
export function handFocusOn() {
  let held = null;
  document.addEventListener("pointerdown", () => (held = null), { capture: true }); // who points elsewhere left it
  document.addEventListener("focusin", ({ target }) => (held = { target, around: around(target), path: location.pathname }));
  const look = () => {
    if (!held || held.target.isConnected || document.activeElement !== document.body) return;
    const { around: places, path } = held;
    held = null;
    if (path === location.pathname) focusHeading(places); // another page has its own beginning
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}

function around(element) {
  const place = element.parentElement?.closest(AROUND);
  return place ? [place, ...around(place)] : [];
}

function focusHeading(places) {
  const place = places.find((one) => one.isConnected);
  const heading = place?.querySelector("summary, h2, h3") ?? document.querySelector("main h1");
  if (!heading) return;
  if (!heading.matches("summary")) heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}
