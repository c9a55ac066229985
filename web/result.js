// What is known of a call once it is over.

export function showResult(section, call) {
  const heading = document.createElement("h2");
  heading.textContent = call.status === "failed" ? "The call failed" : "After the call";
  const list = document.createElement("dl");
  for (const [name, value] of facts(call)) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    list.append(term, text);
  }
  section.replaceChildren(heading, list, ...recording(call));
  section.hidden = false;
}

function facts(call) {
  const { summary, sentiment, structured_data: data, evaluation, errors } = call.intelligence;
  return [
    ["Summary", summary],
    ["Sentiment", sentiment],
    ...Object.entries(data ?? {}).map(([name, value]) => [words(name), told(value)]),
    ["Evaluation", evaluation && `${evaluation.passed ? "Passed" : "Not passed"}. ${evaluation.reasoning}`],
    ["Ended by", call.end_reason && words(call.end_reason)],
    ["Duration", `${call.bill_duration} s`],
    ["Problems", errors.join("; ")],
  ].filter(([, value]) => value);
}

function words(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

function told(value) {
  if (value === null) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function recording(call) {
  const url = call.recording.metadata?.stereo_mix?.signed_url;
  if (!url) return [];
  const player = document.createElement("audio");
  player.controls = true;
  player.preload = "metadata";
  player.src = url;
  player.setAttribute("aria-label", "Recording of the call");
  return [player];
}
