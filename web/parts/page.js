// The head of a page: its title, what it is about, and what can be done.

import { html } from "../preact.js";

/** @param actions buttons and links at its right. */
export function Head({ title, about, actions }) {
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
