// What came of a call: summary, sentiment, data and evaluation, of each analysis that there was, and why a part is not there.

import { html, useEffect, useState } from "../../preact.js";
import { get } from "../../api.js";
import { exactMoment, moment, withMoments, words } from "../../format.js";
import { Badge } from "../../parts/badge.js";
import { ChoiceField } from "../../parts/field.js";
import { useLoaded } from "../../parts/loaded.js";

const PARTS = { summary: "Summary", extraction: "Data", evaluation: "Evaluation" };
const MOST = 200; // analyses that can be chosen from

/** @param isFollowed whether something may still come; isPrivate whether nothing is written down. */
export function Results({ call, isFollowed, isPrivate }) {
  const { intelligence, transcript } = call;
  const [chosen, choose] = useState("");
  const inputs = [call.id, intelligence.status, transcript.erased_at, Object.values(intelligence.parts).map(({ status }) => status).join()];
  const { data } = useLoaded(async (signal) => (transcript.erased_at ? { generations: [] } : earlier(call.id, signal)), inputs);
  const generations = data?.generations ?? [];
  const shown = generations.find(({ generation }) => String(generation) === chosen) ?? intelligence;
  if (transcript.erased_at) return html`<${Card}><p class="quiet">What was found in this call was erased with its transcript.</p><//>`;
  return html`
    <${Card}>
      ${generations.length > 1 && html`<${Choice} ...${{ generations, chosen, choose }} />`}
      ${isFollowed && intelligence.status === "pending" && html`<p class="waiting" role="status"><span class="spinner" aria-hidden="true"></span>Looking back at the call …</p>`}
      <${Found} found=${shown} />
      ${Object.keys(shown.parts).length === 0 && html`<${Nothing} ...${{ call, isPrivate }} />`}
    <//>
  `;
}

function Card({ children }) {
  return html`<section class="card results" aria-labelledby="results-title"><h2 id="results-title" tabindex="-1">Results</h2>${children}</section>`;
}

/** Every time that the call was analysed, the last one first. */
function earlier(id, signal) {
  return get(`/v1/calls/${id}/intelligence`, { limit: MOST }, { signal });
}

function Choice({ generations, chosen, choose }) {
  const options = generations.map((one) => [String(one.generation), `${one.generation}, ${moment(one.asked_at)}, ${words(one.status)}`]);
  return html`<${ChoiceField} label="Analysis" value=${chosen} onValue=${choose} options=${[["", "The latest of each part"], ...options]} />`;
}

function Found({ found }) {
  const { parts, summary, sentiment, structured_data: data, evaluation } = found;
  return html`
    <div>
      ${"summary" in parts && html`
        <${Part} name="summary" part=${parts.summary} badge=${html`<${Badge} of=${sentiment} />`} isThere=${summary !== null}><p dir="auto">${summary}</p><//>
      `}
      ${"extraction" in parts && html`<${Part} name="extraction" part=${parts.extraction} isThere=${data !== null}><${Data} data=${data} /><//>`}
      ${"evaluation" in parts && html`
        <${Part} name="evaluation" part=${parts.evaluation} isThere=${evaluation !== null} badge=${evaluation && html`<${Verdict} passed=${evaluation.passed} />`}>
          <${Evaluation} evaluation=${evaluation} />
        <//>
      `}
      ${found.errors.filter((error) => error.startsWith("analysis: ")).map((error) => html`<p class="fault">${withMoments(error.slice("analysis: ".length))}</p>`)}
    </div>
  `;
}

/** One part: what was found, and beneath it why there is nothing newer. */
function Part({ name, part, badge, isThere, children }) {
  return html`
    <div class="part">
      <h3>${PARTS[name]} ${isThere && badge}</h3>
      ${isThere && children}
      <${State} part=${part} isThere=${isThere} />
    </div>
  `;
}

function State({ part: { status, error, attempt, max_attempts: most, next_attempt_at: next }, isThere }) {
  if (status === "completed") return null;
  const old = isThere ? " Above is what was found before." : "";
  if (status === "failed") return html`<p class="fault">It failed: ${error}${old}</p>`;
  const isAgain = next !== null || attempt > 1;
  if (!isAgain) return html`<p class="quiet">${error ? withMoments(error) : "It is being made …"}${old}</p>`;
  return html`
    <p class="warning">
      ${error} ${next ? html`It is tried again <${In} moment=${next} />, attempt ${attempt + 1} of ${most}.` : `It is being tried again, attempt ${attempt} of ${most}.`}${old}
    </p>
  `;
}

/** How long it is until then. */
function In({ moment: at }) {
  const [left, setLeft] = useState(() => Date.parse(at) - Date.now());
  useEffect(() => {
    const tick = () => setLeft(Date.parse(at) - Date.now());
    tick();
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [at]);
  const text = left <= 0 ? "now" : left < 90_000 ? `in ${Math.ceil(left / 1000)} s` : `in ${Math.round(left / 60_000)} min`;
  return html`<time datetime=${at} title=${exactMoment(at)}>${text}</time>`;
}

function Data({ data }) {
  return html`
    <dl class="facts">
      ${Object.entries(data ?? {}).map(([name, value]) => html`<div key=${name}><dt>${words(name)}</dt><dd><${Value} value=${value} /></dd></div>`)}
    </dl>
  `;
}

function Value({ value }) {
  if (value === null) return html`<span class="quiet">not said</span>`;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? html`<code>${JSON.stringify(value)}</code>` : html`<bdi>${String(value)}</bdi>`;
}

function Verdict({ passed }) {
  return html`<${Badge} mood=${passed ? "good" : "bad"}>${passed ? "passed" : "not passed"}<//>`;
}

function Evaluation({ evaluation: { score, reasoning, criteria } }) {
  const percent = Math.round(score * 100);
  return html`
    <div>
      <p class="score"><meter min="0" max="100" value=${percent} aria-label="Score">${percent} %</meter> ${percent} %</p>
      <p dir="auto">${reasoning}</p>
      ${criteria && html`
        <ul class="criteria">
          ${criteria.map((one) => html`<li class=${one.passed ? "good" : "bad"}><span aria-hidden="true">${one.passed ? "✓" : "✗"}</span><span><span class="unseen">${one.passed ? "Passed: " : "Not passed: "}</span>${one.criterion}<span class="quiet"> ${one.reasoning}</span></span></li>`)}
        </ul>
      `}
    </div>
  `;
}

function Nothing({ call: { intelligence, started_at: startedAt, ended_at: endedAt }, isPrivate }) {
  if (intelligence.status === "pending") return null;
  if (!endedAt) return html`<p class="quiet">The call is looked back at when it is over.</p>`;
  if (!startedAt) return html`<p class="quiet">There was no conversation to look back at.</p>`;
  if (isPrivate) return html`<p class="quiet">Its words are not written down: there is nothing to look back at.</p>`;
  return html`<p class="quiet">Nothing was asked for. What is made of a call is chosen in its agent's settings.</p>`;
}
