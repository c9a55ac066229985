// What is on a call's time line: what was said, the tools that were called, and what else happened, in order.

const TOOL_EVENTS = new Set(["tool.called", "tool.answered", "tool.failed"]); // a tool's call says the same, and more
const EARLY_MS = 400; // a segment of the agent may begin before its first sound by so much
const LATE_MS = 3_000; // and a turn's answer not so long after it

/**
 * @returns entries in order, each `{ key, at, kind, … }` with `at` in milliseconds from the call's start (negative before):
 *     `said` with `segment` and `turn`, what its listener waited before it, if it is an answer; `tool` with `tool`; `happened` with `event`.
 */
export function entriesOf({ call, segments, events }) {
  const zero = Date.parse(call.started_at ?? call.created_at);
  let latest = -Infinity; // the log is in order, whatever the clocks of who wrote it say
  const turns = turnsOf(segments, call.latency?.turns ?? []);
  const entries = [
    ...segments.map((segment) => ({
      key: `s${segment.sequence}`,
      kind: "said",
      at: segment.started_at_ms,
      segment,
      turn: turns.get(segment.sequence),
    })),
    ...call.tool_calls.map((tool) => ({ key: tool.id, kind: "tool", at: tool.started_at_ms, tool })),
    ...events
      .filter((event) => !TOOL_EVENTS.has(event.kind))
      .map((event) => ({ key: event.id, kind: "happened", at: (latest = Math.max(latest, Date.parse(event.created_at) - zero)), event })),
  ];
  return entries.sort((one, other) => one.at - other.at);
}

/** The turn that each first segment of an answer belongs to, by the segment's sequence. */
function turnsOf(segments, turns) {
  const answers = segments.filter(({ speaker }) => speaker === "agent");
  const found = new Map();
  let next = 0;
  for (const turn of turns) {
    const sounded = turn.user_stopped_at_ms + turn.response_ms;
    while (next < answers.length && answers[next].started_at_ms < sounded - EARLY_MS) next += 1;
    if (next < answers.length && answers[next].started_at_ms < sounded + LATE_MS) found.set(answers[next++].sequence, turn);
  }
  return found;
}

/** How long the call's time line is, in milliseconds: that of its recording, or until the last word. */
export function lengthOf({ call, segments }) {
  const recorded = call.recording.metadata.duration_ms ?? 0;
  const lasted = call.started_at && call.ended_at ? Date.parse(call.ended_at) - Date.parse(call.started_at) : 0;
  const spoken = segments.reduce((latest, { ended_at_ms: end }) => Math.max(latest, end), 0);
  return Math.max(recorded, spoken, recorded > 0 ? 0 : lasted);
}
