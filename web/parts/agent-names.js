// The names of agents where many calls name theirs by id.

import { html, useEffect, useMemo, useRef } from "../preact.js";
import { useAgents } from "./agents.js";

/**
 * @param wanted ids that are to have a name: all agents are fetched once, and again for one that was not there before.
 * @returns `{ agents, error, reload, nameOf }`; `agents` is undefined before they are there.
 */
export function useAgentNames(wanted = []) {
  const { data: agents, error, reload } = useAgents();
  const asked = useRef(new Set());
  const names = useMemo(() => new Map((agents ?? []).map(({ id, name }) => [id, name])), [agents]);
  useEffect(() => {
    const unknown = wanted.filter((id) => agents && !names.has(id) && !asked.current.has(id));
    if (unknown.length === 0) return;
    for (const id of unknown) asked.current.add(id); // one that was deleted is asked for once
    reload();
  }, [names, wanted.join()]);
  return { agents, error, reload, nameOf: (id) => names.get(id) ?? (agents ? "A deleted agent" : "…") };
}

/** Said where the names could not be had. */
export function NoNames({ error, reload }) {
  return html`
    <div class="failure" role="alert">
      <p>The agents could not be loaded: ${error.message}</p>
      <button type="button" onClick=${reload}>Try again</button>
    </div>
  `;
}

/** `[[id, name], …]` for a choice: all agents, and the chosen one also if it is none of them any more. */
export function withChosen(chosen, agents = [], nameOf) {
  const options = agents.map(({ id, name }) => [id, name]);
  return !chosen || options.some(([id]) => id === chosen) ? options : [[chosen, nameOf(chosen)], ...options];
}
