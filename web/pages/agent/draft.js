// An agent while it is edited: whatever its fields are, also those of which the form knows nothing, it keeps.

const OF_API = ["id", "created_at", "updated_at"];
// The same as the first entries of `stt`, `llm` and `tts`.
const SINGLE = ["stt_provider", "stt_model", "llm_provider", "llm_model", "tts_provider", "tts_model", "voice"];

/** Of a new agent, what can be changed. */
export const NEW = {
  name: "", system_prompt: "", language: null, first_message: "", stt: [], llm: [], tts: [], phrases: {},
  max_duration_s: 3600, silence_reminder_s: 12, silence_timeout_s: 30, eager: 0.1, machine_detection: "continue",
  tools: [], mcp_servers: [], features: {}, retention_days: {}, post_call: {},
};

/** What of an agent can be changed. */
export function draftOf(agent) {
  const left = new Set([...OF_API, ...SINGLE]);
  return Object.fromEntries(Object.entries(agent).filter(([name]) => !left.has(name)));
}

/** The fields of `draft` that are not as in `before`; one that was taken out is as in a new agent. */
export function changesOf(before, draft) {
  const all = Object.entries({ ...NEW, ...draft });
  return Object.fromEntries(all.filter(([name, value]) => !isSame(value, before[name])));
}

/** A draft over what is saved now: what was not touched since the draft was as in `sent` is as saved. */
export function rebased(draft, sent, saved) {
  const names = [...new Set([...Object.keys(saved), ...Object.keys(draft)])];
  const kept = names.map((name) => [name, isSame(draft[name], sent[name]) ? saved[name] : draft[name]]);
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined));
}

export function isSame(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other || Array.isArray(one) !== Array.isArray(other)) return false;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => isSame(one[name], other[name]));
}

/** What stands at a path as the API writes it, `tools[0].url`. */
export function at(value, path) {
  return steps(path).reduce((within, step) => within?.[step], value);
}

/** A copy in which `value` stands at the path; undefined: nothing does. */
export function put(whole, path, value) {
  return putAt(whole, steps(path), value);
}

function putAt(within, [step, ...rest], value) {
  const copy = Array.isArray(within) ? [...within] : { ...within };
  const changed = rest.length > 0 ? putAt(within?.[step] ?? {}, rest, value) : value;
  if (changed === undefined) delete copy[step];
  else copy[step] = changed;
  return copy;
}

function steps(path) {
  return path.replaceAll(/\[(\d+)\]/g, ".$1").split(".");
}
