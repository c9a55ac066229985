// The call as programs see it.

import { html, useRef, useState } from "../../preact.js";
import { get } from "../../api.js";
import { Action } from "../../parts/action.js";
import { tell } from "../../parts/notices.js";

export function Json({ call }) {
  const [isOpen, setOpen] = useState(false);
  const shown = useRef(null);
  const copy = async () => {
    const text = JSON.stringify(await get(`/v1/calls/${call.id}`), null, 2);
    try {
      await navigator.clipboard.writeText(text);
      tell("The JSON was copied.");
    } catch {
      getSelection().selectAllChildren(shown.current); // over plain http a page may not write to the clipboard: it is one key from there
    }
  };
  return html`
    <details class="card json" onToggle=${({ target }) => setOpen(target.open)}>
      <summary><h2>JSON</h2></summary>
      ${isOpen && html`
        <p class="head"><span class="quiet">What <code>GET /v1/calls/${call.id}</code> answers.</span><${Action} work=${copy}>Copy<//></p>
        <pre ref=${shown} tabindex="0" aria-label="JSON"><code>${JSON.stringify(call, null, 2)}</code></pre>
      `}
    </details>
  `;
}
