// The whole agent as JSON, as the API takes it.

import { html, useContext } from "../../preact.js";
import { JsonField } from "../../parts/json-field.js";
import { AgentForm } from "./form.js";

export function Whole() {
  const { draft, change } = useContext(AgentForm);
  const set = (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("An agent is a JSON object.");
    change(value);
  };
  return html`<div class="card"><${JsonField} label="The agent as JSON" rows="28" value=${draft} onValue=${set} /></div>`;
}
