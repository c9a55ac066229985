// An endpoint's address and what it is told of, new or changed; a new one's secret is shown once.

import { html, useState } from "../../preact.js";
import { patch, post } from "../../api.js";
import { FormFault, Submit, useSending } from "../../parts/action.js";
import { Copyable } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { faultsOf, SwitchField, TextField } from "../../parts/field.js";
import { WEBHOOK_EVENTS } from "./events.js";

/** @param onDone called with the new endpoint once its secret was seen. */
export function NewWebhook({ onClose, onDone }) {
  const [created, setCreated] = useState(null);
  if (created) return html`<${Secret} title="Copy the signing secret now" webhook=${created} onClose=${() => onDone(created)} />`;
  const create = async (values) => setCreated(await post("/v1/webhooks", values));
  return html`<${Form} key="form" title="New endpoint" action="Add the endpoint" save=${create} url="" events=${["call.completed", "call.failed"]} ...${{ onClose }} />`;
}

/** @param onSaved called with the endpoint as it is then. */
export function ChangeWebhook({ webhook, onClose, onSaved }) {
  const save = async ({ url, events }) => {
    const isSame = events.length === webhook.events.length && events.every((name) => webhook.events.includes(name));
    const changes = { ...(url !== webhook.url && { url }), ...(!isSame && { events }) }; // the rest is another tab's too
    onSaved(await patch(`/v1/webhooks/${webhook.id}`, changes));
  };
  return html`<${Form} title="Change the endpoint" action="Save" ...${{ save, onClose }} url=${webhook.url} events=${webhook.events} />`;
}

/** The secret of an endpoint that was just made or rotated. */
export function Secret({ title, webhook, children, onClose }) {
  return html`
    <${Dialog} key="secret" title=${title}>
      <p>It signs every message (<code>X-Callroom-Signature</code>), and is not shown again. ${children}</p>
      <${Copyable} label="Signing secret" text=${webhook.secret} />
      <p class="buttons"><button type="button" class="primary" onClick=${onClose}>I have it</button></p>
    <//>
  `;
}

function Form({ title, action, save, url, events, onClose }) {
  const [form, setForm] = useState({ url, events });
  const { send, isBusy, error } = useSending(() => save(form));
  const faults = faultsOf(error);
  const choose = (event) => (isChosen) =>
    setForm((before) => ({
      ...before,
      events: WEBHOOK_EVENTS.map(([name]) => name).filter((name) => (name === event ? isChosen : before.events.includes(name))),
    }));
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <form onSubmit=${send}>
        <${TextField} label="Address" type="url" placeholder="https://example.com/callroom" fault=${faults.url} required autofocus
          value=${form.url} onValue=${(text) => setForm({ ...form, url: text })} />
        <fieldset>
          <legend>It is told when</legend>
          ${WEBHOOK_EVENTS.map(([name, text]) => html`<${SwitchField} key=${name} label=${text} help=${html`<code>${name}</code>`}
            value=${form.events.includes(name)} onValue=${choose(name)} />`)}
          ${faults.events && html`<p class="fault">Choose at least one.</p>`}
        </fieldset>
        <${FormFault} error=${error} fields=${["url", "events"]} />
        <p class="buttons">
          <button type="button" onClick=${onClose}>Cancel</button>
          <${Submit} isBusy=${isBusy}>${action}<//>
        </p>
      </form>
    <//>
  `;
}
