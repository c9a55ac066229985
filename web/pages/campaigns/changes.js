// When something happens in calls that matter here: the tenant's stream tells.

import { useEffect, useRef } from "../../preact.js";
import { follow } from "../../api.js";
import { fail } from "../../parts/notices.js";

const PAUSE_MS = 1_000; // many calls change at once: they are looked at together
const AGAIN_MS = 30_000; // after the API refused the stream

/**
 * While `isWanted`, call `onChange()` soon after a call changed for which `matters(call)`, and whenever the stream is
 * there again: nobody told what happened before.
 */
export function useCallsChanging(isWanted, matters, onChange) {
  const latest = useRef({});
  latest.current = { matters, onChange };
  useEffect(() => {
    if (!isWanted) return undefined;
    const aborter = new AbortController();
    let timer = null;
    const soon = () => {
      timer ??= setTimeout(() => {
        timer = null;
        latest.current.onChange();
      }, PAUSE_MS);
    };
    listen(aborter.signal, (kind, data) => {
      if (kind === "ready" || (kind === "call" && latest.current.matters(data))) soon();
    });
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [Boolean(isWanted)]);
}

async function listen(signal, tell) {
  let isTold = false;
  const onTrouble = (error) => {
    if (error && !isTold) fail(new Error(`${error.message} What is shown here may be old until that is over.`));
    isTold = error !== null;
  };
  while (!signal.aborted) {
    try {
      for await (const { kind, data } of follow("/v1/calls/stream", {}, { signal, onTrouble })) tell(kind, data);
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}
