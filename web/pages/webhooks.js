// Webhooks: the endpoints of one's own server.

import { html, useState } from "../preact.js";
import { get } from "../api.js";
import { go } from "../router.js";
import { Badge } from "../parts/badge.js";
import { Loading, usePages } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { NewWebhook } from "./webhooks/form.js";

const LIMIT = 50;

export default function Webhooks() {
  const [isNew, setNew] = useState(false);
  const list = usePages(page, []);
  return html`
    <div>
      <${Head} title="Webhooks" about="Your server is told what happens to calls, so that it need not ask."
        actions=${html`<button type="button" class="primary" onClick=${() => setNew(true)}>New endpoint</button>`} />
      <${Loading} ...${list} data=${list.rows} />
      ${list.rows && html`
        <${Table} label="Endpoints" columns=${COLUMNS} rows=${list.rows} link=${({ id }) => `/webhooks/${id}`} more=${list.more}
          empty="No endpoint yet. Add the address of your server, and choose what it is told." />
      `}
      ${isNew && html`<${NewWebhook} onClose=${() => setNew(false)} onDone=${({ id }) => go(`/webhooks/${id}`)} />`}
    </div>
  `;
}

const COLUMNS = [
  { name: "Address", show: (webhook) => webhook.url },
  { name: "State", show: (webhook) => html`<${Badge} mood=${webhook.active ? "good" : "quiet"}>${webhook.active ? "on" : "off"}<//>` },
  { name: "Told of", show: (webhook) => webhook.events.join(", ") },
  { name: "Since", show: (webhook) => html`<${Moment} of=${webhook.created_at} />` },
];

async function page(offset, signal) {
  const { webhooks, total } = await get("/v1/webhooks", { limit: LIMIT, offset }, { signal });
  const end = (offset ?? 0) + webhooks.length;
  return { rows: webhooks, next: end < total ? end : null };
}
