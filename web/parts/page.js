// The head of a page: its title, what it is about, and what can be done.

import { html, useEffect } from "../preact.js";

/**
 * @param title a text, or something that is drawn.
 * @param tab what the browser's tab is called, if that is not the title.
 * @param actions buttons and links at its right.
 */
export function Head({ title, tab = title, about, actions }) {
  useEffect(() => {
    document.title = `${tab} · Callroom`;
  }, [tab]);
  return html`
    <div class="head">
      <div>
        <h1>${title}</h1>
        ${about && html`<p>${about}</p>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </div>
  `;
}
