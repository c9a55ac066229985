// The first rows of a table, and above each column what it is for.

import { html } from "../../preact.js";
import { METADATA, NOTHING, PHONE, twice, VARIABLE } from "./recipients.js";

const SHOWN = 5;
const USES = [
  [PHONE, "phone number"],
  [VARIABLE, "variable of the prompt"],
  [METADATA, "metadata of the call"],
  [NOTHING, "leave out"],
];

/** @param onColumns called with the columns as they are then; one of them is the phone number's. */
export function Mapping({ rows, columns, onColumns }) {
  const use = (at) => (changed) => {
    const wanted = changed.target.value;
    onColumns(
      columns.map((column, i) => {
        if (i === at) return { ...column, use: wanted };
        return wanted === PHONE && column.use === PHONE ? { ...column, use: NOTHING } : column;
      }),
    );
  };
  const doubles = twice(columns);
  const rename = (at) => (typed) => onColumns(columns.map((column, i) => (i === at ? { ...column, name: typed.target.value } : column)));
  return html`
    <div class="wide mapping" tabindex="0" role="region" aria-label="What the columns are">
      <table>
        <caption class="unseen">The first rows, and what each column is for</caption>
        <thead>
          <tr>
            ${columns.map((column, at) => html`
              <th scope="col" key=${at}>
                <select aria-label="Use of column ${at + 1}" value=${column.use} onChange=${use(at)}>
                  ${USES.map(([value, text]) => html`<option key=${value} value=${value} selected=${value === column.use}>${text}</option>`)}
                </select>
                ${column.use === PHONE || column.use === NOTHING
                  ? html`<span>${column.name}</span>`
                  : html`<input aria-label="Name of column ${at + 1}" required maxlength="100" aria-invalid=${doubles.has(at) ? "true" : null} value=${column.name} onInput=${rename(at)} />`}
                ${doubles.has(at) && html`<span class="fault" role="alert">Another column has this name.</span>`}
              </th>
            `)}
          </tr>
        </thead>
        <tbody>
          ${rows.slice(0, SHOWN).map(({ line, cells }) => html`<tr key=${line}>${columns.map(({ name }, at) => html`<td data-name=${name}>${cells[at] ?? ""}</td>`)}</tr>`)}
        </tbody>
      </table>
    </div>
  `;
}
