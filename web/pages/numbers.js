// Numbers: the phone's way in and out, who answers which number, and whom nobody calls.

import { html } from "../preact.js";
import { Head } from "../parts/page.js";
import { DoNotCall } from "./numbers/do-not-call.js";
import { OwnNumbers } from "./numbers/own.js";
import { Trunk } from "./numbers/trunk.js";

export default function Numbers() {
  return html`
    <div>
      <${Head} title="Numbers" about="How phone calls come and go, which agent answers them, and whom nobody calls." />
      <${Trunk} />
      <${OwnNumbers} />
      <${DoNotCall} />
    </div>
  `;
}
