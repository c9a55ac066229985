// What the agent of a call does, taken from the words that were heard last.

export const STATES = { initializing: "Getting ready", listening: "Listening", thinking: "Thinking", speaking: "Speaking" };

/** `listening`, `thinking` or `speaking`; "" while nothing was said, or in a call that is not transcribed. */
export function stateOf(segments) {
  const open = segments.filter((segment) => !segment.is_final);
  if (open.some(({ speaker }) => speaker === "agent")) return "speaking";
  if (open.length > 0) return "listening";
  const last = segments.at(-1);
  if (!last) return "";
  return last.speaker === "agent" ? "listening" : "thinking";
}
