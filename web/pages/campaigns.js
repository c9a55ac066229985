// Campaigns: batches of calls, the newest first.

import { html } from "../preact.js";
import { get } from "../api.js";
import { count } from "../format.js";
import { AgentLink, useAgents } from "../parts/agents.js";
import { Loading, usePages } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { useCallsChanging } from "./campaigns/changes.js";
import { Progress, State } from "./campaigns/progress.js";

const LIMIT = 50;

export default function Campaigns() {
  const agents = useAgents();
  const list = usePages(page, []);
  const isShort = list.rows && list.rows.length <= LIMIT; // who has turned over pages keeps them
  const isRunning = isShort && list.rows.some(({ status }) => status === "in_progress");
  useCallsChanging(isRunning, (call) => list.rows.some(({ batch_id: id }) => id === call.metadata.batch_id), list.reload);
  const columns = [
    { name: "Campaign", show: (batch) => batch.batch_id },
    { name: "State", show: (batch) => html`<${State} batch=${batch} />` },
    { name: "Agent", show: (batch) => html`<${AgentLink} id=${batch.agent_id} agents=${agents.data} />` },
    { name: "Calls", number: true, show: (batch) => count(batch.calls) },
    { name: "Progress", show: (batch) => html`<${Progress} batch=${batch} />` },
    { name: "Rejected", number: true, show: (batch) => count(batch.rejected) },
    { name: "Begun", show: (batch) => html`<${Moment} of=${batch.created_at} />` },
  ];
  return html`
    <div>
      <${Head} title="Campaigns" about="Many phones called by one agent, as lines and workers are free."
        actions=${html`<a class="button primary" href="/campaigns/new">New campaign</a>`} />
      <${Loading} ...${list} data=${list.rows} />
      ${list.rows && html`<${Table} label="Campaigns" columns=${columns} rows=${list.rows} keyOf=${(row) => row.batch_id} more=${list.more}
        link=${({ batch_id: id }) => `/campaigns/${encodeURIComponent(id)}`}
        empty=${html`No campaign yet. <a href="/campaigns/new">Call the people in a table</a>.`} />`}
    </div>
  `;
}

async function page(offset, signal) {
  const { batches, total } = await get("/v1/calls/batch", { limit: LIMIT, offset }, { signal });
  const end = (offset ?? 0) + batches.length;
  return { rows: batches, next: end < total ? end : null };
}
