// All of it together, in a few large figures.

import { html } from "../../preact.js";
import { count, money } from "../../format.js";
import { height, write } from "./answers.js";

export function Figures({ total }) {
  const shown = [
    ["Calls", count(total.calls)],
    [`Failed, ${Math.round((100 * total.failed) / Math.max(total.calls, 1))} %`, count(total.failed)],
    ["Minutes", count(Math.round(total.minutes))],
    ["Cost", money(total.cost)],
    ["Answer, half within", write(height(total.answers, total.answers.p50_ms)) || "–"],
    ["Answer, 95 % within", write(height(total.answers, total.answers.p95_ms)) || "–"],
  ];
  return html`<dl class="figures stack">${shown.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>`;
}
