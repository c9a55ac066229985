// Where somebody was in a list when a row led elsewhere: a step back leads there again.

import { useEffect } from "../../preact.js";

/** How many rows there were, and how far down the page was; zeros for who does not come back. */
export function placeLeft() {
  return history.state?.place ?? { count: 0, top: 0 };
}

/**
 * Go to where the list was left, once its rows are there.
 *
 * @param rows undefined before there are any.
 * @returns what is to be called before the list may be left.
 */
export function usePlace(rows) {
  const isThere = rows !== undefined;
  useEffect(() => {
    const { top } = placeLeft();
    if (isThere && top > 0) window.scrollTo(0, top);
  }, [isThere]);
  return () => rows && history.replaceState({ place: { count: rows.length, top: window.scrollY } }, "");
}
