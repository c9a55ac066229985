// The tenant's agents, where one of them is to be chosen or named.

import { html } from "../preact.js";
import { get } from "../api.js";
import { useLoaded } from "./loaded.js";

const PAGE = 200;

/** All agents, the API's pages put together, as `useLoaded` gives them. */
export function useAgents() {
  return useLoaded(allAgents, []);
}

async function allAgents(signal) {
  const agents = [];
  for (;;) {
    const page = await get("/v1/agents", { limit: PAGE, offset: agents.length }, { signal });
    agents.push(...page.agents);
    if (page.agents.length < PAGE) return agents;
  }
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
