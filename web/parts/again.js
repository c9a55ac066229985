// Asking again for what no stream tells of, as long as somebody sees the page.

import { useEffect, useRef } from "../preact.js";

/**
 * While `wanted`, call `ask()` again some time after the last answer: first after `firstMs`, then each time half as long
 * again, at most `mostMs`. Nobody asks for a page that is hidden; once it is seen again, it is asked for at once.
 *
 * @param wanted true, or what is asked about: of something else it is asked as often as at first.
 * @param isLoading whether an answer is awaited: who asks anew meanwhile would never hear of one that is slow.
 */
export function useAskingAgain(wanted, isLoading, ask, { firstMs, mostMs = firstMs }) {
  const pause = useRef(firstMs);
  useEffect(() => {
    pause.current = firstMs;
  }, [wanted]);
  useEffect(() => {
    if (!wanted || isLoading) return undefined;
    let isDue = false;
    const look = () => {
      isDue = true;
      if (document.hidden) return;
      pause.current = Math.min(pause.current * 1.5, mostMs);
      ask();
    };
    const seen = () => isDue && look();
    const timer = setTimeout(look, pause.current);
    document.addEventListener("visibilitychange", seen);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [wanted, Boolean(isLoading)]);
}
