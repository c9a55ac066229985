// Who hears, thinks and speaks where an agent names nobody, and whether they work.

import { html } from "../../preact.js";
import { Badge } from "../../parts/badge.js";
import { Table } from "../../parts/table.js";

const KINDS = { stt: "speech recognition", llm: "language model", tts: "voice" };
const COLUMNS = [
  { name: "What for", show: ({ kind }) => KINDS[kind] },
  { name: "Provider", show: ({ name }) => name },
  { name: "State", show: ({ health }) => html`<${Badge} mood=${MOODS[health] ?? "bad"}>${health}<//>` },
];
const MOODS = { ok: "good", "not asked": "quiet" };

export function Providers({ providers }) {
  const rows = Object.entries(providers).flatMap(([kind, named]) => Object.entries(named).map(([name, health]) => ({ kind, name, health })));
  return html`<${Table} label="Providers" columns=${COLUMNS} rows=${rows} keyOf=${({ kind, name }) => `${kind} ${name}`} />`;
}
