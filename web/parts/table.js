// A table whose rows lead somewhere; on a phone each row becomes a card.

import { html, useLayoutEffect, useRef } from "../preact.js";
import { Action } from "./action.js";

/**
 * @param columns `[{ name, show: (row) => content, number: true? }]`; the first is the row's heading; one of buttons needs no name.
 * @param label what the table lists, for screen readers.
 * @param link `(row) => address` where a row leads, if anywhere; the first column is that link.
 * @param more fetches further rows; null if there are none.
 */
export function Table({ label, columns, rows, keyOf = (row) => row.id, link, empty = "There is nothing yet.", more, isLoading }) {
  const kept = useKeptFocus();
  if (rows.length === 0) return html`<div class="empty" ...${kept}>${empty}</div>`;
  return html`
    <div ...${kept}>
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
      ${more && html`<p class="more"><${Action} work=${more}>Show more<//></p>`}
    </div>
  `;
}

/**
 * The attributes of the element that has the rows: when what has the focus goes with its row, the same of the next row
 * gets it, or of the last; without rows, or if it was in none, the element itself.
 */
function useKeptFocus() {
  const ref = useRef(null);
  const last = useRef(null); // what had the focus, and where: { element, row, cell }
  const onFocusCapture = ({ target }) => {
    const cell = target.closest("tbody td, tbody th");
    last.current = { element: target, row: cell?.parentElement.sectionRowIndex, cell: cell?.cellIndex };
  };
  useLayoutEffect(() => {
    if (!last.current || last.current.element.isConnected || document.activeElement !== document.body) return;
    const { row, cell } = last.current;
    last.current = null;
    const rows = row === undefined ? [] : [...ref.current.querySelectorAll("tbody tr")];
    const next = rows[Math.min(row, rows.length - 1)]?.cells[cell]?.querySelector("a, button, select, input");
    (next ?? ref.current).focus({ preventScroll: !next });
  });
  return { ref, onFocusCapture, tabindex: -1 };
}

function Cell({ column: { name, number, show }, row, link, isHeading }) {
  const kind = number ? "number" : null;
  if (!isHeading) return html`<td class=${kind} data-name=${name}>${show(row)}</td>`;
  return html`<th scope="row" class=${kind}>${link ? html`<a href=${link(row)}>${show(row)}</a>` : show(row)}</th>`;
}
