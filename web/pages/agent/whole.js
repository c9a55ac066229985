// The whole agent as JSON, as the API takes it.

import { html, useContext, useState } from "../../preact.js";
import { JsonField } from "../../parts/json-field.js";
import { AgentForm, useBroken } from "./form.js";

export function Whole() {
  const { draft, change, round } = useContext(AgentForm);
  const [isBroken, setBroken] = useState(false);
  useBroken(isBroken);
  const set = (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("An agent is a JSON object.");
    change(value);
  };
  return html`<div class="card"><${JsonField} key=${round} label="The agent as JSON" rows="28" value=${draft} onValue=${set} onBroken=${setBroken}
    help="What is taken out is as in a new agent." /></div>`;
}
