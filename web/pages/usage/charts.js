// Bars, one a day. What they show stands in the table of the days too, so to a screen reader each is one picture.

import { html } from "../../preact.js";
import { count } from "../../format.js";
import { height, write } from "./answers.js";
import { dayName } from "./days.js";

const HEIGHT = 120;
const WIDTH = 600;
const GAP = 0.25; // of a day's width

export function Charts({ days }) {
  return html`
    <div class="columns">
      <${Chart} title="Calls" days=${days} write=${count} parts=${[["completed", "completed", (day) => day.completed], ["failed", "failed", (day) => day.failed]]} />
      <${Chart} title="Minutes" days=${days} write=${(minutes) => count(Math.round(minutes))} parts=${[["minutes", "minutes", (day) => day.minutes]]} />
      <${Chart} title="Time to an answer" days=${days} write=${write} each=""
        parts=${[["p50", "half within", half], ["p95", "95 % within", (day) => Math.max(most(day) - half(day), 0), most]]} />
    </div>
  `;
}

function half({ answers }) {
  return height(answers, answers.p50_ms);
}

function most({ answers }) {
  return height(answers, answers.p95_ms);
}

/** @param parts `[[class, name, height, said?], …]`, from the bottom up; `said` is what is told of it, if not its height. */
function Chart({ title, days, parts, write, each = " a day" }) {
  const top = Math.max(...days.map((day) => parts.reduce((sum, [, , height]) => sum + height(day), 0)), 0);
  const step = WIDTH / days.length;
  const bars = days.map((day, at) => {
    let y = HEIGHT;
    const said = parts.map(([, name, height, tell]) => `${name} ${write((tell ?? height)(day))}`).join(", ");
    return html`
      <g key=${day.day}>
        <title>${dayName(day.day)}: ${said}</title>
        <rect class="ground" x=${at * step} y="0" width=${step} height=${HEIGHT} />
        ${parts.map(([kind, , height]) => {
          const tall = top > 0 ? (HEIGHT * height(day)) / top : 0;
          y -= tall;
          return html`<rect key=${kind} class=${kind} x=${at * step + (step * GAP) / 2} y=${y} width=${step * (1 - GAP)} height=${tall} rx=${Math.min(2, step / 4)} />`;
        })}
      </g>
    `;
  });
  return html`
    <figure class="card">
      <figcaption><h2>${title}</h2> <span class="quiet">at most ${write(top) || "0"}${each}</span></figcaption>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title} a day, as in the table of the days">${bars}</svg>
      <p class="axis quiet"><span>${dayName(days[0].day)}</span><span>${dayName(days.at(-1).day)}</span></p>
      ${parts.length > 1 && html`<p class="legend">${parts.map(([kind, name]) => html`<span key=${kind}><i class=${kind} aria-hidden="true"></i>${name}</span>`)}</p>`}
    </figure>
  `;
}
