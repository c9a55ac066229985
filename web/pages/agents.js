// The agents of this tenant.

import { html } from "../preact.js";
import { get, post } from "../api.js";
import { Action } from "../parts/action.js";
import { Failure, Waiting, usePages } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { go } from "../router.js";
import { FIRST_AGENT } from "./agent/first-agent.js";

const PAGE = 50;
const COLUMNS = [
  { name: "Agent", show: (agent) => html`<bdi>${agent.name}</bdi>` },
  { name: "Language", show: (agent) => agent.language ?? "en-US" },
  { name: "Model", show: (agent) => agent.llm_model ?? agent.llm_provider ?? "the installation's own" },
  { name: "Voice", show: (agent) => agent.voice ?? agent.tts_model ?? agent.tts_provider ?? "the installation's own" },
  { name: "Changed", show: (agent) => html`<${Moment} of=${agent.updated_at} />` },
  { name: "Try it", show: (agent) => html`<a href="/agents/${agent.id}/talk">Talk<span class="unseen"> to <bdi>${agent.name}</bdi></span></a>` },
];

export default function Agents() {
  const { rows, error, isLoading, more, reload } = usePages(load, []);
  return html`
    <div>
      <${Head} title="Agents" about="Who answers: prompt, voice, tools, and what is made of a call."
        actions=${html`<a class="button primary" href="/agents/new">New agent</a>`} />
      ${error && html`<${Failure} error=${error} onAgain=${reload} />`}
      ${!rows && isLoading && html`<${Waiting} />`}
      ${rows?.length === 0 && html`<${First} />`}
      ${rows?.length > 0 && html`<${Table} label="Agents" columns=${COLUMNS} link=${(agent) => `/agents/${agent.id}`} ...${{ rows, more, isLoading }} />`}
    </div>
  `;
}

function First() {
  const create = async () => {
    const { id } = await post("/v1/agents", FIRST_AGENT);
    await go(`/agents/${id}/talk`);
  };
  return html`
    <div class="empty">
      <p>There is no agent yet. Begin with one that takes bookings for a restaurant, and talk to it.</p>
      <p><${Action} class="primary" work=${create}>Create a first agent<//></p>
    </div>
  `;
}

async function load(place, signal) {
  const offset = place ?? 0;
  const page = await get("/v1/agents", { limit: PAGE, offset }, { signal });
  const end = offset + page.agents.length;
  return { rows: page.agents, next: end < page.total && page.agents.length > 0 ? end : null };
}
