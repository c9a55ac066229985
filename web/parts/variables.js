// The places in an agent's texts that a call fills: `{{name}}`, and `{{ name | default: "there" }}`.

const PLACE = /\{\{\s*([\p{L}\p{Nl}_][\p{L}\p{N}_-]*(?:\.[\p{L}\p{N}_-]+)*)\s*(?:\|\s*default\s*:\s*(?:"([^"{}]*)"|'([^'{}]*)')\s*)?\}\}/gu;
const OF_TOOLS = /^(secrets|arguments)\./; // what a tool's own places name is no variable of the call

/** A text in which every default stands at its place, and `hole` where there is none. */
export function filled(text, hole) {
  return text.replaceAll(PLACE, (_, name, double, single) => double ?? single ?? hole);
}

/**
 * The variables that are in an agent's prompt, first message and tools, each once, as they come.
 *
 * @returns `[{ name, fallback }]`; a fallback of null: there is a place without a default, which stays empty.
 */
export function variablesOf({ system_prompt = "", first_message = "", tools = [], mcp_servers = [] }) {
  const asked = [...tools, ...mcp_servers].flatMap(({ url, headers }) => [url, ...Object.values(headers ?? {})]);
  const found = new Map();
  const look = (text, isTools) => {
    for (const [, name, double, single] of (text ?? "").matchAll(PLACE)) {
      if (isTools && OF_TOOLS.test(name)) continue;
      const fallback = double ?? single ?? null;
      const isKnown = found.has(name);
      if (!isKnown || fallback === null) found.set(name, fallback);
    }
  };
  look(first_message, false);
  look(system_prompt, false);
  for (const text of asked) look(text, true);
  return [...found].map(([name, fallback]) => ({ name, fallback }));
}
