// The agent's last calls.

import { html } from "../../preact.js";
import { get } from "../../api.js";
import { duration } from "../../format.js";
import { Badge } from "../../parts/badge.js";
import { Loading, useLoaded } from "../../parts/loaded.js";
import { Moment } from "../../parts/moment.js";
import { Table } from "../../parts/table.js";

const LAST = 10;
const COLUMNS = [
  { name: "Call", show: (call) => html`<${Moment} of=${call.created_at} />` },
  { name: "Who", show: (call) => html`<bdi>${call.primary_participant.identity}</bdi>` },
  { name: "Length", number: true, show: (call) => call.ended_at && duration(call.bill_duration) },
  { name: "Since then", show: (call) => html`<a href="/agents/${call.agent_id}?since=${encodeURIComponent(call.created_at)}">What was changed</a>` },
  { name: "Status", show: (call) => html`<${Badge} of=${call.status} />` },
];

export function Calls({ id }) {
  const { data, ...loading } = useLoaded((signal) => get(`/v1/agents/${id}/calls`, { limit: LAST }, { signal }), [id]);
  return html`
    <section class="beneath" aria-labelledby="its-calls">
      <div class="head">
        <h2 id="its-calls">Its last calls</h2>
        ${data?.calls.length > 0 && html`<a href="/calls?agent_id=${id}">All its calls</a>`}
      </div>
      <${Loading} data=${data} ...${loading} />
      ${data && html`<${Table} label="The last calls, a row each" columns=${COLUMNS} rows=${data.calls} link=${(call) => `/calls/${call.id}`}
        empty=${html`It has had no call yet. <a href="/agents/${id}/talk">Talk to it</a>.`} />`}
    </section>
  `;
}
