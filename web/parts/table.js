// A table whose rows lead somewhere; on a phone each row becomes a card.

import { html } from "../preact.js";

/**
 * @param columns `[{ name, show: (row) => content, number: true? }]`; the first is the row's heading; one of buttons needs no name.
 * @param label what the table lists, for screen readers.
 * @param link `(row) => address` where a row leads, if anywhere; the first column is that link.
 * @param more fetches further rows; null if there are none.
 */
export function Table({ label, columns, rows, keyOf = (row) => row.id, link, empty = "There is nothing yet.", more, isLoading }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  return html`
    <div>
      <div class="wide" tabindex="0" role="region" aria-label=${label}>
        <table aria-busy=${Boolean(isLoading)}>
          <caption class="unseen">${label}</caption>
          <thead>
            <tr>${columns.map(({ name, number }) => (name ? html`<th scope="col" class=${number ? "number" : null}>${name}</th>` : html`<td></td>`))}</tr>
          </thead>
          <tbody>
            ${rows.map((row) => html`<tr key=${keyOf(row)}>${columns.map((column, i) => html`<${Cell} ...${{ column, row, link }} isHeading=${i === 0} />`)}</tr>`)}
          </tbody>
        </table>
      </div>
      ${more && html`<p class="more"><button type="button" onClick=${more}>Show more</button></p>`}
    </div>
  `;
}

function Cell({ column: { name, number, show }, row, link, isHeading }) {
  const kind = number ? "number" : null;
  if (!isHeading) return html`<td class=${kind} data-name=${name}>${show(row)}</td>`;
  return html`<th scope="row" class=${kind}>${link ? html`<a href=${link(row)}>${show(row)}</a>` : show(row)}</th>`;
}
