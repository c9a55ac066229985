// What is kept of a conversation, and for how long; and whom a phone may be sent to.

import { html } from "../../preact.js";
import { SwitchField } from "../../parts/field.js";
import { Amount, Section, Switch, Text, useAt } from "./form.js";

const REDACTED = [
  ["card", "Card numbers"],
  ["email", "Email addresses"],
  ["phone", "Phone numbers"],
];

export function Keeping() {
  return html`
    <${Section} title="Privacy and features" about="transcript, redaction, retention, transfer" paths=${["features", "retention_days"]}>
      <${Switch} path="features.transcription_enabled" usual=${true} label="Keep a transcript" />
      <h3>Taken out of transcripts</h3>
      <${Redaction} />
      <div class="fields">
        <${Amount} path="retention_days.transcripts" label="Days that transcripts are kept" min="1" step="1" help="Empty: as long as the tenant says, without that for ever." />
        <${Amount} path="retention_days.recordings" label="Days that recordings are kept" min="1" step="1" />
        <${Text} path="features.transfer_to" empty=${null} label="Phones may be sent to" placeholder="+15551234567" help="A phone number or SIP address. Empty: nowhere." />
      </div>
    <//>
  `;
}

function Redaction() {
  const { value, set, fault } = useAt("features.redact");
  const chosen = value ?? [];
  const toggle = (kind, isOn) => set(isOn ? [...chosen, kind] : chosen.filter((one) => one !== kind));
  return html`
    <div>
      ${REDACTED.map(([kind, label]) => html`<${SwitchField} key=${kind} label=${label} value=${chosen.includes(kind)} onValue=${(isOn) => toggle(kind, isOn)} />`)}
      ${fault && html`<p class="fault">${fault}</p>`}
    </div>
  `;
}
