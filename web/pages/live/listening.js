// Listening in: to one call at a time, until somebody stops it, the call ends, or the page is left.

import { useEffect, useRef, useState } from "../../preact.js";
import { post } from "../../api.js";
import { fetched } from "../../modules.js";
import { attempt, fail } from "../../parts/notices.js";

const NOBODY = { id: null, phase: "off", agentState: "", isBlocked: false };

/**
 * @returns `{ id, phase, agentState, isBlocked, start, stop, play }`: to which call, `off`, `opening` or `on`; the agent's
 *     state, as its room has it; whether the browser plays nothing before `play()` is called from a click.
 */
export function useListening() {
  const [state, setState] = useState(NOBODY);
  const ear = useRef(null);
  const turn = useRef(0); // what belongs to an earlier one is not listened to any more

  const stop = async () => {
    turn.current += 1;
    const open = ear.current;
    ear.current = null;
    setState(NOBODY);
    await open?.stop();
  };
  const start = async (id) => {
    await stop();
    const mine = turn.current;
    const change = (changed) => turn.current === mine && setState((before) => ({ ...before, ...changed }));
    change({ id, phase: "opening" });
    const heard = await attempt(async () => {
      const { openEar } = await fetched(import("./ear.js")); // LiveKit's client is large, and wanted by few
      const opened = await openEar(await post(`/v1/calls/${id}/listen`), {
        onState: (agentState) => change({ agentState }),
        onBlocked: (isBlocked) => change({ isBlocked }),
        onLeft: () => turn.current === mine && stop(),
      });
      if (turn.current !== mine) return opened.stop();
      ear.current = opened;
      return change({ phase: "on" });
    });
    if (!heard && turn.current === mine) setState(NOBODY);
  };
  const play = () => ear.current?.play().catch(fail);

  useEffect(() => () => void stop(), []);
  return { ...state, start, stop, play };
}
