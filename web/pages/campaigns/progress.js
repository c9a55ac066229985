// How far a campaign is, in one line of colours and in words.

import { html } from "../../preact.js";
import { count } from "../../format.js";
import { Badge } from "../../parts/badge.js";

const MOODS = { in_progress: "live", completed: "good", canceled: "warn" };
const PARTS = [["completed", "completed"], ["failed", "failed"], ["in_progress", "talking"], ["ringing", "ringing"], ["queued", "waiting"]];

export function State({ batch }) {
  return html`<${Badge} of=${batch.status} mood=${MOODS[batch.status]} />`;
}

/** How many of its calls are over. */
export function over({ counts }) {
  return counts.completed + counts.failed;
}

export function Progress({ batch }) {
  const said = PARTS.filter(([name]) => batch.counts[name] > 0).map(([name, text]) => `${count(batch.counts[name])} ${text}`);
  const total = Math.max(batch.calls, 1);
  return html`
    <div class="progress">
      <div class="stripe" aria-hidden="true">${PARTS.map(([name]) => html`<span class=${name} style=${{ width: `${(100 * batch.counts[name]) / total}%` }}></span>`)}</div>
      <p>${said.join(", ") || "no calls"}</p>
    </div>
  `;
}
