// Where the conversation stands in its box: at the end of a running call, at what is heard, or where its reader wants it.

import { useLayoutEffect } from "../../preact.js";

const NEAR_END = 80;
const SETTLED_AFTER = 4; // pictures
const KEYS = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

/**
 * While `isWanted`, keep a box that scrolls at its end, whatever comes or gets another height in it, unless somebody has
 * scrolled back. Rows that were never seen have no exact height before they are: what moves by that is no reader's doing.
 *
 * @param box a ref of the box; `rows` one of what it holds.
 * @param begins whether it is at its end first.
 */
export function useEnd(box, rows, { isWanted, begins }) {
  useLayoutEffect(() => {
    if (!isWanted) return undefined;
    const { current } = box;
    let [isAtEnd, place, drawing] = [begins, current.scrollTop, null];
    const stand = (atEnd) => {
      isAtEnd = atEnd;
      current.style.overflowAnchor = atEnd ? "none" : ""; // a browser that moves the box itself would look like a reader
    };
    const keep = () => {
      if (!isAtEnd) return;
      current.scrollTop = current.scrollHeight;
      place = current.scrollTop;
    };
    const scrolled = () => {
      if (Math.abs(current.scrollTop - place) < 1) return; // by us
      place = current.scrollTop;
      stand(current.scrollHeight - current.scrollTop - current.clientHeight < NEAR_END);
    };
    const grown = new ResizeObserver(() => {
      cancelAnimationFrame(drawing);
      drawing = requestAnimationFrame(keep);
    });
    stand(begins);
    for (const one of [current, rows.current]) grown.observe(one);
    current.addEventListener("scroll", scrolled);
    return () => {
      grown.disconnect();
      cancelAnimationFrame(drawing);
      current.removeEventListener("scroll", scrolled);
      stand(false);
    };
  }, [isWanted]);
}

/** Attributes of a box that scrolls: `act()` when its reader scrolls it, by wheel, finger, key or its bar. */
export function onReaderScroll(act) {
  return {
    onWheel: act,
    onTouchMove: act,
    onKeyDown: ({ key }) => KEYS.has(key) && act(),
    onPointerDown: ({ target, currentTarget }) => target === currentTarget && act(), // the bar, not what is in the box
  };
}

/**
 * In its box alone: the page stays where it is. Looked at again in the next pictures: rows that were never seen have no exact
 * place before they are, and the browser itself moves a box into which something is put.
 */
export function bringIntoView(box, row, pictures = SETTLED_AFTER) {
  const [inner, outer] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
  const isSeen = inner.top >= outer.top + 24 && inner.bottom <= outer.bottom - 24;
  if (!isSeen) box.scrollTop += inner.top - outer.top - box.clientHeight / 3;
  if (pictures > 0) requestAnimationFrame(() => bringIntoView(box, row, pictures - 1));
}
