// The keys that there are, and the end of one.

import { html } from "../../preact.js";
import { remove } from "../../api.js";
import { Action } from "../../parts/action.js";
import { AgentLink } from "../../parts/agents.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { Moment } from "../../parts/moment.js";
import { tell } from "../../parts/notices.js";
import { Table } from "../../parts/table.js";

const COMMON = [
  { name: "Begins with", show: (key) => html`<code>${key.key_prefix}…</code>` },
  { name: "Made", show: (key) => html`<${Moment} of=${key.created_at} />` },
  { name: "Last used", show: (key) => (key.last_used_at ? html`<${Moment} of=${key.last_used_at} />` : "never") },
];

export function SecretKeys({ keys, onChange }) {
  const columns = [
    {
      name: "Label",
      show: (key) => html`${key.label || "without a label"} ${key.is_current && html`<${Badge} mood="live">you are signed in with it<//>`}`,
    },
    ...COMMON,
    { name: "", show: (key) => html`<${Revoke} of=${key} path="/v1/auth/api-keys" onRevoked=${onChange} />` },
  ];
  return html`<${Table} label="Secret keys" columns=${columns} rows=${keys} />`;
}

export function PublishableKeys({ keys, agents, onChange }) {
  const columns = [
    { name: "Label", show: (key) => key.label },
    { name: "Agent", show: (key) => html`<${AgentLink} id=${key.agent_id} agents=${agents} />` },
    { name: "May call over", show: (key) => key.allowed_channels.join(", ") },
    ...COMMON,
    { name: "", show: (key) => html`<${Revoke} of=${key} path="/v1/keys/publishable" onRevoked=${onChange} />` },
  ];
  return html`<${Table} label="Publishable keys" columns=${columns} rows=${keys} empty="No page calls an agent yet. Make a key and give it to the page." />`;
}

function Revoke({ of, path, onRevoked }) {
  const detail = of.is_current
    ? "You are signed in with this key: it signs you out here, and everywhere else where it is used."
    : "Whoever uses it is refused from then on. It cannot be undone.";
  const revoke = async () => {
    const name = of.label || of.key_prefix;
    if (!(await confirm(html`Revoke “<bdi>${name}</bdi>”?`, { action: "Revoke", detail }))) return;
    await remove(`${path}/${of.id}`);
    tell(html`“<bdi>${name}</bdi>” is revoked.`);
    onRevoked();
  };
  return html`<${Action} work=${revoke} aria-label="Revoke ${of.label || of.key_prefix}">Revoke<//>`;
}
