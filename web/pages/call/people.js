// Who was in a call, over what, and when.

import { html } from "../../preact.js";
import { duration, money, words } from "../../format.js";
import { Badge } from "../../parts/badge.js";
import { Moment } from "../../parts/moment.js";

const OVER = { webrtc: "browser", pstn: "phone" };

export function People({ call: { participants, erased_at: erasedAt } }) {
  return html`
    <section class="card persons" aria-labelledby="people-title">
      <h2 id="people-title">People</h2>
      ${erasedAt && html`<p class="quiet">Who they were was erased.</p>`}
      <ul>${participants.map((one) => html`<${Person} key=${one.id} one=${one} />`)}</ul>
    </section>
  `;
}

function Person({ one }) {
  const { identity, transport, status, end_reason: reason, from_number: from, joined_at: joined, left_at: left, cost } = one;
  return html`
    <li>
      <p><strong><bdi>${identity}</bdi></strong> <${Badge} of=${status} mood=${status === "failed" ? "bad" : status === "joined" ? "live" : "quiet"} /></p>
      <p class="quiet">
        ${OVER[transport]}${from && `, called from ${from}`}${joined && html`, came <${Moment} of=${joined} />`}${joined && left && `, stayed ${duration((Date.parse(left) - Date.parse(joined)) / 1000)}`}${reason && `, ${words(reason)}`}${cost > 0 && `, ${money(cost)}`}
      </p>
    </li>
  `;
}
