// The tenant's agents, where one of them is to be chosen or named.

import { html, useState } from "../preact.js";
import { get } from "../api.js";
import { useLoaded } from "./loaded.js";

const PAGE = 200;

/** All agents as `[{ id, name }]`, the API's pages put together, as `useLoaded` gives them; no two have the same name. */
export function useAgents() {
  return useLoaded(allAgents, []);
}

async function allAgents(signal) {
  const agents = [];
  for (;;) {
    const page = await get("/v1/agents/names", { limit: PAGE, offset: agents.length }, { signal });
    agents.push(...page.agents);
    if (page.agents.length < PAGE) return toldApart(agents);
  }
}

/** Agents that are called the same, with the beginning of their ids behind their names. */
function toldApart(agents) {
  const times = new Map();
  for (const { name } of agents) times.set(name, (times.get(name) ?? 0) + 1);
  return agents.map(({ id, name }) => ({ id, name: times.get(name) > 1 ? `${name} (${id.slice(0, 8)})` : name }));
}

/** The agent's name as a link to it; one that was deleted has no page any more. */
export function AgentLink({ id, agents }) {
  const agent = agents?.find((one) => one.id === id);
  return agent ? html`<a href="/agents/${id}"><bdi>${agent.name}</bdi></a>` : html`<code>${id.slice(0, 8)}</code>`;
}

/** `[[id, name], …]` for a choice. */
export function agentOptions(agents = []) {
  return agents.map(({ id, name }) => [id, name]);
}

/**
 * A choice in a row of many: all its options are there from the moment in which somebody turns to it.
 *
 * @param options `() => [[id, name], …]`.
 * @param chosen `[id, name]` of what is chosen now. Other attributes go to the `<select>`.
 */
export function ChoiceInRow({ options, chosen, ...more }) {
  const [isWanted, setWanted] = useState(false);
  const [value, name] = chosen;
  const open = () => setWanted(true);
  return html`
    <select ...${more} value=${value} onFocus=${open} onPointerDown=${open}>
      ${(isWanted ? options() : [[value, name]]).map(([id, text]) => html`<option key=${id} value=${id} selected=${id === value}>${text}</option>`)}
    </select>
  `;
}
