// The rows of a table that call nobody, and why.

import { html } from "../../preact.js";
import { plural } from "../../format.js";
import { Table } from "../../parts/table.js";

const COLUMNS = [
  { name: "Line", show: ({ line }) => line },
  { name: "Number", show: ({ number }) => number || "none" },
  { name: "Why", show: ({ why }) => why },
];

export function Refused({ rows, title }) {
  if (rows.length === 0) return null;
  return html`
    <details class="after" open=${rows.length <= 10}>
      <summary>${plural(rows.length, title, `${title}s`)} without a call</summary>
      <${Table} label="Rows without a call" columns=${COLUMNS} rows=${rows} keyOf=${({ line, number }) => `${line} ${number}`} />
    </details>
  `;
}
