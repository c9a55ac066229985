// What came of a call: summary, sentiment, extracted data, evaluation and recording, as far as the agent asks for them.

const at = (id) => document.getElementById(id);
const PARTS = ["summary", "data", "evaluation", "recording", "failures", "nothing"];

/** Show that the work after the call has begun. */
export function showWorking() {
  for (const part of PARTS) at(part).hidden = true;
  at("working").hidden = false;
  at("outcome").hidden = false;
}

export function hideOutcome() {
  at("outcome").hidden = true;
  at("player").removeAttribute("src");
}

/** Show the result of a call, from its detail. */
export function showOutcome({ intelligence, recording, status }) {
  at("working").hidden = true;
  if (intelligence.summary !== null) showSummary(intelligence);
  if (intelligence.structured_data !== null) showData(intelligence.structured_data);
  if (intelligence.evaluation !== null) showEvaluation(intelligence.evaluation);
  if (recording.status === "ready") showRecording(recording);
  const failures = [...intelligence.errors];
  if (recording.status === "failed") failures.push(`recording: ${recording.metadata.error}`);
  if (failures.length > 0) showFailures(failures);
  at("nothing").hidden = status === "failed" || PARTS.some((part) => !at(part).hidden);
}

function showSummary({ summary, sentiment }) {
  at("summary-text").textContent = summary;
  showBadge("sentiment", sentiment, sentiment);
  at("summary").hidden = false;
}

function showData(data) {
  at("data-list").replaceChildren(
    ...Object.entries(data).map(([name, value]) => {
      const row = document.createElement("div");
      row.append(document.createElement("dt"), document.createElement("dd"));
      row.children[0].textContent = name.replaceAll("_", " ");
      row.children[1].textContent = typeof value === "string" ? value : JSON.stringify(value);
      return row;
    }),
  );
  at("data").hidden = false;
}

function showEvaluation({ passed, score, reasoning, criteria = [] }) {
  showBadge("passed", passed ? "passed" : "not passed", passed ? "positive" : "negative");
  at("score").value = score;
  at("percent").textContent = `${Math.round(score * 100)} %`;
  at("reasoning").textContent = reasoning;
  at("criteria").replaceChildren(
    ...criteria.map((one) =>
      Object.assign(document.createElement("li"), { textContent: `${one.passed ? "✓" : "✗"} ${one.criterion}` }),
    ),
  );
  at("evaluation").hidden = false;
}

function showRecording({ metadata }) {
  at("player").src = metadata.stereo_mix.signed_url;
  at("recording").hidden = false;
}

function showFailures(failures) {
  at("failure-list").replaceChildren(
    ...failures.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
  at("failures").hidden = false;
}

function showBadge(id, text, mood) {
  at(id).textContent = text ?? "";
  at(id).className = `badge ${mood ?? ""}`;
}
