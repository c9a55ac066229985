// When something happens in calls that matter here: the tenant's stream tells.

import { useEffect, useRef } from "../../preact.js";
import { follow } from "../../api.js";

const PAUSE_MS = 1_000; // many calls change at once: they are looked at together

/** While `isWanted`, call `onChange()` soon after a call changed for which `matters(call)`. */
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
    listen(aborter.signal, (call) => latest.current.matters(call) && soon());
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [Boolean(isWanted)]);
}

async function listen(signal, tell) {
  try {
    for await (const { kind, data } of follow("/v1/calls/stream", {}, { signal })) {
      if (kind === "call") tell(data);
    }
  } catch {
    // There are as many streams as may be: the page still shows what was, and can be loaded anew.
  }
}
