// The names of agents where one of them is chosen by its id in the address.

import { html } from "../preact.js";
import { useAgents } from "./agents.js";

/** @returns `{ agents, error, reload, nameOf }`; `agents` is undefined before they are there. */
export function useAgentNames() {
  const { data: agents, error, reload } = useAgents();
  const nameOf = (id) => agents?.find((one) => one.id === id)?.name ?? (agents ? "A deleted agent" : "…");
  return { agents, error, reload, nameOf };
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
