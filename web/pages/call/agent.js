// The agent as it was when the call was created.

import { html, useState } from "../../preact.js";
import { get } from "../../api.js";
import { words } from "../../format.js";
import { Loading, useLoaded } from "../../parts/loaded.js";

const LONG = new Set(["system_prompt", "first_message"]);
const SAID_TWICE = new Set(["id", "name", "stt_provider", "stt_model", "llm_provider", "llm_model", "tts_provider", "tts_model", "voice"]); // in its lists

export function AgentThen({ call }) {
  const [isOpen, setOpen] = useState(false);
  if (call.erased_at) return null;
  return html`
    <details class="card agent-then" onToggle=${({ target }) => setOpen(target.open)}>
      <summary><h2>The agent as it was then</h2></summary>
      ${isOpen && html`<${Config} call=${call} />`}
    </details>
  `;
}

function Config({ call }) {
  const loaded = useLoaded((signal) => get(`/v1/calls/${call.id}/agent`, {}, { signal }), [call.id]);
  if (!loaded.data) return html`<${Loading} ...${loaded} />`;
  const fields = Object.entries(said(loaded.data)).filter(([name]) => !LONG.has(name) && !SAID_TWICE.has(name));
  return html`
    <p><a href="/agents/${call.agent_id}"><bdi>${call.agent.name}</bdi> as it is now</a>, <a href="/agents/${call.agent_id}?since=${encodeURIComponent(call.created_at)}">what was changed since</a></p>
    <h3>Prompt</h3>
    <pre class="text" dir="auto" tabindex="0" aria-label="Prompt">${loaded.data.system_prompt || "none"}</pre>
    <h3>First message</h3>
    <p dir="auto">${loaded.data.first_message || "none: the agent waited"}</p>
    <h3>Settings</h3>
    <dl class="facts">${fields.map(([name, value]) => html`<div key=${name}><dt>${words(name)}</dt><dd><${Setting} value=${value} /></dd></div>`)}</dl>
  `;
}

/** The same without what says nothing: null, "", and what is empty without these. */
function said(value) {
  if (Array.isArray(value)) return value.map(said);
  if (value === null || typeof value !== "object") return value;
  const isEmpty = (one) => one === null || one === "" || (typeof one === "object" && Object.keys(one).length === 0);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, said(one)]).filter(([, one]) => !isEmpty(one)));
}

function Setting({ value }) {
  if (typeof value !== "object") return typeof value === "boolean" ? (value ? "yes" : "no") : html`<bdi>${String(value)}</bdi>`;
  return html`<pre tabindex="0"><code>${JSON.stringify(value, null, 2)}</code></pre>`;
}
