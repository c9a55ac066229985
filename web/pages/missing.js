// An address at which nothing stands.

import { html } from "../preact.js";
import { Head } from "../parts/page.js";

export default function Missing() {
  return html`<div><${Head} title="Nothing here" about="This address leads nowhere." /><p><a href="/">To the running calls</a></p></div>`;
}
