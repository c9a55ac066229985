// The facts of a call: when, how long, why it ended, what it cost, how long people waited.

import { html } from "../../preact.js";
import { duration, money, plural, seconds, words } from "../../format.js";
import { Moment } from "../../parts/moment.js";

export function Facts({ call }) {
  const { created_at: created, started_at: started, ended_at: ended, end_reason: reason, total_cost: cost, bill_duration: billed } = call;
  const facts = [
    ["Asked for", html`<${Moment} of=${created} />`],
    ["Began", started ? html`<${Moment} of=${started} />` : ended && "never"],
    ["Length", started && ended && duration((Date.parse(ended) - Date.parse(started)) / 1000)],
    ["Ended", ended && words(reason ?? call.status)],
    ["Billed", ended && `${plural(billed, "second")}, ${money(cost)}`],
    ["Room", html`<code>${call.room_name}</code>`],
  ];
  return html`
    <section class="card" aria-labelledby="facts-title">
      <h2 id="facts-title">Call</h2>
      <dl class="facts">${facts.map(([name, value]) => value && html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
      <${Given} title="Variables" of=${call.variables} />
      <${Given} title="Metadata" of=${call.metadata} />
    </section>
  `;
}

function Given({ title, of }) {
  const given = Object.entries(of);
  if (given.length === 0) return null;
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  return html`
    <h3>${title}</h3>
    <dl class="facts">${given.map(([name, value]) => html`<div key=${name}><dt><bdi>${name}</bdi></dt><dd><bdi>${text(value)}</bdi></dd></div>`)}</dl>
  `;
}

const WAITS = { response_ms: "In all", end_of_turn_ms: "End of the turn", llm_ms: "Model", tts_ms: "Voice" };

/** How long people waited for answers; what each waited stands at the answer. */
export function Latency({ latency }) {
  if (!latency) return null;
  const measured = latency.turns.filter(({ measured_by: by }) => by === "recording").length;
  return html`
    <section class="card latency" aria-labelledby="latency-title">
      <h2 id="latency-title">Waiting for answers</h2>
      <table>
        <caption class="unseen">What was waited for ${plural(latency.turns.length, "answer")}</caption>
        <thead><tr><th scope="col">Of which</th><th scope="col" class="number">Half at most</th><th scope="col" class="number">95 % at most</th></tr></thead>
        <tbody>
          ${Object.entries(WAITS).map(([name, text]) => html`
            <tr key=${name}><th scope="row">${text}</th><td class="number">${seconds(latency[name].p50)}</td><td class="number">${seconds(latency[name].p95)}</td></tr>
          `)}
        </tbody>
      </table>
      <p class="quiet">${plural(latency.turns.length, "answer")}${measured > 0 && `, ${measured} of them corrected by the recording`}</p>
    </section>
  `;
}
