// What came of a campaign that was sent: who is called, and who is not.

import { html } from "../../preact.js";
import { plural } from "../../format.js";
import { NoPhones } from "./phones.js";
import { Refused } from "./refused.js";

export function Sent({ sent }) {
  return html`
    <section class="stack">
      <p class="after" role="status"><strong>${plural(sent.queued, "call")}</strong> ${sent.queued === 1 ? "is" : "are"} ${sent.problem ? "placed" : "on the way"}.</p>
      ${sent.problem && html`<${NoPhones} problem=${sent.problem} />`}
      ${sent.warnings.map((warning) => html`<p class="after fault">${warning}</p>`)}
      <p class="actions after">${sent.ids.map((id) => html`<a class="button primary" href="/campaigns/${encodeURIComponent(id)}">Follow ${id}</a>`)}</p>
      <${Refused} rows=${[...sent.refused, ...sent.rejected].sort((one, other) => one.line - other.line)} title="row" />
    </section>
  `;
}
