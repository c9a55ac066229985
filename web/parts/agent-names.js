// The names of agents where many calls name theirs by id.

import { useEffect, useMemo, useRef } from "../preact.js";
import { useAgents } from "./agents.js";

/**
 * @param wanted ids that are to have a name: all agents are fetched once, and again for one that was not there before.
 * @returns `{ agents, nameOf, isAwaited }`; `agents` is undefined before they are there; `isAwaited(id)` whether a name may still come.
 */
export function useAgentNames(wanted = []) {
  const { data: agents, error, reload } = useAgents();
  const asked = useRef(new Map()); // id -> the agents among which it was not
  const names = useMemo(() => new Map((agents ?? []).map(({ id, name }) => [id, name])), [agents]);
  useEffect(() => {
    const unknown = wanted.filter((id) => agents && !names.has(id) && !asked.current.has(id));
    if (unknown.length === 0) return;
    for (const id of unknown) asked.current.set(id, agents); // one that was deleted is asked for once
    reload();
  }, [names, wanted.join()]);
  const isMissing = (id) => !wanted.includes(id) || (asked.current.has(id) && asked.current.get(id) !== agents);
  const isAwaited = (id) => !error && !names.has(id) && !(agents && isMissing(id));
  return { agents, isAwaited, nameOf: (id) => names.get(id) ?? (agents && !error && !isAwaited(id) ? "A deleted agent" : "…") };
}

/** `[[id, name], …]` for a choice: all agents, and the chosen one also if it is none of them any more. */
export function withChosen(chosen, agents = [], nameOf) {
  const options = agents.map(({ id, name }) => [id, name]);
  return !chosen || options.some(([id]) => id === chosen) ? options : [[chosen, nameOf(chosen)], ...options];
}
