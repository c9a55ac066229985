// What was sent to an endpoint, newest first: payload, answer, and sending it again.

import { html, useState } from "../../preact.js";
import { get, post } from "../../api.js";
import { plural } from "../../format.js";
import { Action } from "../../parts/action.js";
import { useAskingAgain } from "../../parts/again.js";
import { Badge } from "../../parts/badge.js";
import { Dialog } from "../../parts/dialog.js";
import { Loading, usePages } from "../../parts/loaded.js";
import { Moment } from "../../parts/moment.js";
import { tell } from "../../parts/notices.js";
import { Table } from "../../parts/table.js";

const LIMIT = 50;
const AGAIN = { firstMs: 3_000, mostMs: 15_000 }; // no stream tells of deliveries that are on their way
const MOODS = { pending: "live", delivered: "good", failed: "bad" };

export function useDeliveries(webhookId) {
  const load = async (offset, signal) => {
    const { deliveries, total } = await get(`/v1/webhooks/${webhookId}/deliveries`, { limit: LIMIT, offset }, { signal });
    const end = (offset ?? 0) + deliveries.length;
    return { rows: deliveries, next: end < total ? end : null };
  };
  const list = usePages(load, [webhookId]);
  const isYoung = (delivery) => delivery.status === "pending" && Date.now() - Date.parse(delivery.created_at) < 60_000;
  const waits = list.rows && list.rows.length <= LIMIT && list.rows.some(isYoung);
  useAskingAgain(waits, list.isLoading, list.reload, AGAIN);
  return list;
}

export function Deliveries({ of: webhook, list }) {
  const [shown, setShown] = useState(null);
  const again = (delivery) => async () => {
    await post(`/v1/webhooks/${webhook.id}/deliveries/${delivery.id}/redeliver`);
    tell("The message is sent again.");
    setShown(null);
    list.reload();
  };
  const columns = [
    { name: "Event", show: (one) => one.event },
    { name: "State", show: (one) => html`<${Badge} of=${one.status} mood=${MOODS[one.status]} />` },
    { name: "Answer", show: answer },
    { name: "Attempts", number: true, show: (one) => one.attempts },
    { name: "Made", show: (one) => html`<${Moment} of=${one.created_at} />` },
    { name: "", show: (one) => html`<button type="button" aria-label="Look at ${one.event} ${one.id}" onClick=${() => setShown(one)}>Look</button>` },
  ];
  return html`<section class="stack">
    <h2>Messages</h2>
    <${Loading} ...${list} data=${list.rows} />
    ${list.rows && html`<${Table} label="Messages" columns=${columns} rows=${list.rows} more=${list.more}
      empty="Nothing was sent yet. Send a test to see what comes." />`}
    ${shown && html`
      <${Dialog} title=${shown.event} onClose=${() => setShown(null)}>
        <dl class="facts">
          <div><dt>State</dt><dd><${Badge} of=${shown.status} mood=${MOODS[shown.status]} /></dd></div>
          <div><dt>Answer</dt><dd>${answer(shown) || "none yet"}</dd></div>
          <div><dt>Tried</dt><dd>${plural(shown.attempts, "time")}</dd></div>
          <div><dt>Made</dt><dd><${Moment} of=${shown.created_at} /></dd></div>
          ${shown.delivered_at && html`<div><dt>Taken</dt><dd><${Moment} of=${shown.delivered_at} /></dd></div>`}
          ${shown.call_id && html`<div><dt>Call</dt><dd><a href="/calls/${shown.call_id}">${shown.call_id.slice(0, 8)}</a></dd></div>`}
        </dl>
        ${shown.response_body && html`<h3>It said</h3><pre tabindex="0" role="region" aria-label="Answer's beginning"><code>${shown.response_body}</code></pre>`}
        <h3>Payload</h3>
        <pre tabindex="0" role="region" aria-label="Payload"><code>${JSON.stringify(shown.payload, null, 2)}</code></pre>
        <p class="buttons">
          <button type="button" onClick=${() => setShown(null)}>Close</button>
          <${Action} class="primary" work=${again(shown)} disabled=${shown.status === "pending" || !webhook.active}>Send again<//>
        </p>
      <//>
    `}
  </section>`;
}

function answer({ response_status: status, error }) {
  return error ?? (status ? `HTTP status ${status}` : "");
}
