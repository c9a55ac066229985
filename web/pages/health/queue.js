// How many phone calls wait to be dialled, and what became of those before.

import { html } from "../../preact.js";
import { count } from "../../format.js";

const STATES = [["waiting", "wait"], ["active", "are being dialled"], ["completed", "were dialled"], ["failed", "were not"]];

export function Queue({ queue }) {
  return html`<dl class="figures">${STATES.map(([name, text]) => html`<div key=${name}><dt>${text}</dt><dd>${count(queue[name])}</dd></div>`)}</dl>`;
}
