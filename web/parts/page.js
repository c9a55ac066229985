// The head of a page: its title, what it is about, and what can be done.

import { html, useEffect } from "../preact.js";

/**
 * @param title a text, with which the tab is named too, or something that is drawn.
 * @param actions buttons and links at its right.
 */
export function Head({ title, about, actions }) {
  useEffect(() => {
    if (typeof title === "string") document.title = `${title} · Callroom`;
  }, [title]);
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
