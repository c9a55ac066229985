// The button to listen in to a call, and to stop that.

import { html } from "../../preact.js";

/** @param listening what `useListening` gives. */
export function Listen({ call, listening }) {
  if (listening.id !== call.id) return html`<button type="button" onClick=${() => listening.start(call.id)}>Listen in</button>`;
  return html`
    <button type="button" aria-pressed="true" onClick=${listening.stop}>${listening.phase === "on" ? "Stop listening" : "Opening …"}</button>
    ${listening.isBlocked && html`<button type="button" class="primary" onClick=${listening.play}>Let the sound play</button>`}
  `;
}
