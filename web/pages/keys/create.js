// A new key: what it is for, and then the key itself, once.

import { html, useState } from "../../preact.js";
import { post } from "../../api.js";
import { FormFault, Submit, useSending } from "../../parts/action.js";
import { agentOptions } from "../../parts/agents.js";
import { Copyable } from "../../parts/copy.js";
import { Dialog } from "../../parts/dialog.js";
import { ChoiceField, faultsOf, SwitchField, TextField } from "../../parts/field.js";

export function NewSecretKey({ onCreated }) {
  const [label, setLabel] = useState("");
  const create = () => post("/v1/auth/api-keys", { label });
  return html`
    <${NewKey} title="New secret key" ...${{ create, onCreated }} onClosed=${() => setLabel("")} fields=${(faults) => html`
      <${TextField} label="Label" help="What it is for, so that you know it again." fault=${faults.label} required maxlength="100" autofocus
        value=${label} onValue=${setLabel} />
    `} />
  `;
}

const EMPTY = { label: "", agent: "", web: true, phone: false, from: "" };

export function NewPublishableKey({ agents, onCreated }) {
  const [form, setForm] = useState(EMPTY);
  const change = (name) => (value) => setForm((before) => ({ ...before, [name]: value }));
  const channels = [form.web && "web", form.phone && "phone"].filter(Boolean);
  const create = () =>
    post("/v1/keys/publishable", {
      label: form.label,
      agent_id: form.agent || agents[0]?.id,
      allowed_channels: channels,
      ...(form.phone && form.from ? { default_from_number: form.from } : {}),
    });
  if (agents.length === 0) return html`<a class="button" href="/agents/new">Create an agent first</a>`;
  return html`
    <${NewKey} title="New publishable key" ...${{ create, onCreated }} onClosed=${() => setForm(EMPTY)} fields=${(faults) => html`
      <${TextField} label="Label" fault=${faults.label} required maxlength="100" autofocus value=${form.label} onValue=${change("label")} />
      <${ChoiceField} label="Agent" fault=${faults.agent_id} value=${form.agent || agents[0].id} options=${agentOptions(agents)} onValue=${change("agent")} />
      <fieldset>
        <legend>It may call over</legend>
        <${SwitchField} label="the browser" value=${form.web} onValue=${change("web")} />
        <${SwitchField} label="the phone" value=${form.phone} onValue=${change("phone")} help="Whoever reads the key in the page can then make your phone calls." />
        ${form.phone && html`
          <${TextField} label="Caller ID" type="tel" help="The number that its phone calls show." fault=${faults.default_from_number}
            value=${form.from} onValue=${change("from")} />
        `}
        ${faults.allowed_channels && html`<p class="fault">Choose at least one.</p>`}
      </fieldset>
    `} />
  `;
}

const FIELDS = ["label", "agent_id", "allowed_channels", "default_from_number"];

function NewKey({ title, create, fields, onCreated, onClosed }) {
  const [isOpen, setOpen] = useState(false);
  const [created, setCreated] = useState(null);
  const { send, isBusy, error } = useSending(async () => {
    setCreated(await create());
    onCreated();
  });
  const close = () => {
    setOpen(false);
    setCreated(null);
    onClosed();
  };
  return html`
    <div>
      <button type="button" class="primary" onClick=${() => setOpen(true)}>${title}</button>
      ${isOpen && !created && html`
        <${Dialog} key="form" title=${title} onClose=${close}>
          <form onSubmit=${send}>
            ${fields(faultsOf(error))}
            <${FormFault} error=${error} fields=${FIELDS} />
            <p class="buttons">
              <button type="button" onClick=${close}>Cancel</button>
              <${Submit} isBusy=${isBusy}>Create the key<//>
            </p>
          </form>
        <//>
      `}
      ${created && html`
        <${Dialog} key="shown" title="Copy the key now">
          <p>It is shown this once, and kept by nobody: we have only its hash.</p>
          <${Copyable} label="The new key" text=${created.key} />
          <p class="buttons"><button type="button" class="primary" onClick=${close}>I have it</button></p>
        <//>
      `}
    </div>
  `;
}
