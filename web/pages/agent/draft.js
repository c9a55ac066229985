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
  return Object.fromEntries(all.filter(([name, value]) => !isSame(value, own(before, name))));
}

// How deep a field's own fields are fields, of which each is changed for itself (docs/decisions/0044).
const DEPTHS = { features: 1, phrases: 1, retention_days: 1, post_call: 2 };

/**
 * A draft, made of the agent as it was in `before`, over the agent as it is `now`: fields that were not touched since are
 * as now.
 *
 * @returns `{ draft, theirs, both }`: the paths of the fields that were changed by others, and of those which are neither
 *     as before nor as now.
 */
export function rebased(draft, before, now) {
  const [theirs, both] = [[], []];
  const merge = (path, ours, then, there, depth) => {
    if (isSame(then, there)) return ours;
    if (depth > 0 && [ours, then, there].every(isObject)) return mergeAll(path, ours, then, there, () => depth - 1);
    theirs.push(path);
    if (isSame(ours, then)) return there;
    if (!isSame(ours, there)) both.push(path);
    return ours;
  };
  const mergeAll = (path, ours, then, there, depthOf) => {
    const names = [...new Set([...Object.keys(there), ...Object.keys(ours), ...Object.keys(then)])];
    const merged = names.map((name) => [name, merge(path ? `${path}.${name}` : name, own(ours, name), own(then, name), own(there, name), depthOf(name))]);
    return Object.fromEntries(merged.filter(([, value]) => value !== undefined));
  };
  return { draft: mergeAll("", draft, before, now, (name) => own(DEPTHS, name) ?? 0), theirs, both };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function own(within, name) {
  return Object.hasOwn(within, name) ? within[name] : undefined;
}

export function isSame(one, other) {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other || Array.isArray(one) !== Array.isArray(other)) return false;
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => isSame(own(one, name), own(other, name)));
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
