// The rows of the time line: something was said, a tool was called, something happened.

import { html } from "../../preact.js";
import { seconds, withMoments, words } from "../../format.js";
import { Badge } from "../../parts/badge.js";

const TOOL_MOODS = { completed: "good", failed: "bad", unknown: "warn", running: "live" };

/** @param moment the link to where it is. */
export function Said({ entry: { key, at, segment, turn }, moment, name }) {
  const { speaker, text, is_final: isFinal, is_cut: isCut } = segment;
  return html`
    <li class="said ${speaker} ${isFinal ? "" : "interim"}" data-key=${key} data-at=${at}>
      ${moment}
      <div>
        ${turn && html`<${Wait} turn=${turn} />`}
        <strong><bdi>${name}</bdi></strong>${isCut && html` <${Badge} mood="warn">${speaker === "agent" ? "interrupted" : "cut off"}<//>`}
        <p dir="auto">${text || "…"}</p>
      </div>
    </li>
  `;
}

/** The gap before an answer, and what it is made of. */
function Wait({ turn }) {
  const parts = [["end of turn", turn.end_of_turn_ms, "turn"], ["model", turn.llm_ms, "model"], ["voice", turn.tts_ms, "voice"]];
  const phrase = turn.phrase_ms === null ? "" : `; something was said meanwhile after ${seconds(turn.phrase_ms)}`;
  return html`
    <p class="wait">
      <span class="made-of" aria-hidden="true">${parts.map(([, ms, of]) => html`<i class=${of} style=${{ flexGrow: Math.max(ms, 0) }}></i>`)}</span>
      <span><b>${seconds(turn.response_ms)}</b> to the answer: ${parts.map(([name, ms]) => `${name} ${seconds(ms)}`).join(", ")}${phrase}</span>
    </p>
  `;
}

export function Tool({ entry: { key, at, tool }, moment }) {
  const { name, status, duration_ms: ms, arguments: given, answer, error } = tool;
  return html`
    <li class="tool" data-key=${key} data-at=${at}>
      ${moment}
      <div>
        <details>
          <summary>Tool <code>${name}</code> <${Badge} of=${status} mood=${TOOL_MOODS[status]} /> <span class="quiet">${seconds(ms)}</span></summary>
          ${given ? html`<p class="quiet">Asked</p><pre tabindex="0"><code>${JSON.stringify(given, null, 2)}</code></pre>` : html`<p class="quiet">What it was asked is not kept.</p>`}
          ${answer !== null && html`<p class="quiet">Answered</p><pre tabindex="0"><code>${answer}</code></pre>`}
        </details>
        ${error && html`<p class="fault">${error}</p>`}
      </div>
    </li>
  `;
}

/** Of what was erased the kind alone is left. */
export function Happened({ entry: { key, at, event }, moment }) {
  return html`
    <li class="happened ${event.level}" data-key=${key} data-at=${moment.type === "a" ? at : null}>
      ${moment}
      <p>${event.level !== "info" && html`<span class="unseen">${event.level}: </span>`}${said(event)}</p>
    </li>
  `;
}

function said({ kind, message, data }) {
  if (message === kind) return words(kind.replaceAll(".", " "));
  const { reason } = data;
  return withMoments(typeof reason === "string" ? message.replace(reason, words(reason)) : message);
}
