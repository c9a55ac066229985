// Why calls failed, the most frequent reason first.

import { html } from "../../preact.js";
import { count, words } from "../../format.js";

export function Failures({ total }) {
  const reasons = Object.entries(total.failures).sort(([, one], [, other]) => other - one);
  return html`
    <section class="card">
      <h2>Failures</h2>
      ${reasons.length === 0 && html`<p class="quiet">No call failed.</p>`}
      <ul class="reasons">
        ${reasons.map(([reason, calls]) => html`
          <li key=${reason}>
            <span>${words(reason)}</span><span class="number">${count(calls)}</span>
            <div class="stripe" aria-hidden="true"><span class="failed" style=${{ width: `${(100 * calls) / reasons[0][1]}%` }}></span></div>
          </li>
        `)}
      </ul>
    </section>
  `;
}
