// One endpoint: what it is, what can be done with it, and what was sent to it.

import { html, useState } from "../preact.js";
import { get, patch, post, remove } from "../api.js";
import { go } from "../router.js";
import { Action } from "../parts/action.js";
import { Badge } from "../parts/badge.js";
import { confirm } from "../parts/dialog.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { tell } from "../parts/notices.js";
import { Head } from "../parts/page.js";
import { Deliveries, useDeliveries } from "./webhooks/deliveries.js";
import { ChangeWebhook, Secret } from "./webhooks/form.js";

export default function Webhook({ id }) {
  const loaded = useLoaded((signal) => get(`/v1/webhooks/${encodeURIComponent(id)}`, {}, { signal }), [id]);
  const webhook = loaded.data;
  if (!webhook) return html`<div><${Head} title="Endpoint" /><${Loading} ...${loaded} /></div>`;
  return html`<${Shown} webhook=${webhook} onChange=${loaded.setData} />`;
}

function Shown({ webhook, onChange }) {
  const path = `/v1/webhooks/${webhook.id}`;
  const deliveries = useDeliveries(webhook.id);
  const [isChanging, setChanging] = useState(false);
  const [rotated, setRotated] = useState(null);
  const change = async () => onChange(await patch(path, { active: !webhook.active }));
  const test = async () => {
    await post(`${path}/test`);
    tell("A test message is on its way.");
    deliveries.reload();
  };
  const rotate = async () => {
    const detail = "A new secret signs from now on; for 24 hours the one of now signs beside it, so that no message is lost meanwhile.";
    if (!(await confirm("Rotate the signing secret?", { action: "Rotate", detail, danger: false }))) return;
    setRotated(await post(`${path}/rotate-secret`));
  };
  const end = async () => {
    const detail = "Its messages go with it, also those that were not taken yet.";
    if (!(await confirm("Delete this endpoint?", { action: "Delete", detail }))) return;
    await remove(path);
    await go("/webhooks");
    tell("The endpoint is deleted.");
  };
  const saved = (now) => {
    onChange(now);
    setChanging(false);
  };
  return html`
    <div>
      <${Head} tab=${new URL(webhook.url).host} title=${html`${new URL(webhook.url).host} <${Badge} mood=${webhook.active ? "good" : "quiet"}>${webhook.active ? "on" : "off"}<//>`} about=${webhook.url}
        actions=${html`
          <${Action} work=${test} disabled=${!webhook.active}>Send a test<//>
          <button type="button" onClick=${() => setChanging(true)}>Change</button>
          <${Action} work=${rotate}>Rotate the secret<//>
          <${Action} work=${change}>${webhook.active ? "Switch off" : "Switch on"}<//>
          <${Action} class="danger" work=${end}>Delete<//>
        `} />
      <p class="after">Told of ${webhook.events.map((event, i) => html`${i > 0 && ", "}<code>${event}</code>`)}.
        ${!webhook.active && " It is switched off: nothing is sent, and what was being tried is given up."}</p>
      <${Deliveries} of=${webhook} list=${deliveries} />
      ${isChanging && html`<${ChangeWebhook} webhook=${webhook} onClose=${() => setChanging(false)} onSaved=${saved} />`}
      ${rotated && html`<${Secret} title="Copy the new secret now" webhook=${rotated} onClose=${() => setRotated(null)}>The one before signs beside it for 24 hours.<//>`}
    </div>
  `;
}
