import { html } from "../preact.js";
import { Head } from "../parts/page.js";

export default function Page() {
  return html`<${Head} title="Campaigns" />`;
}
