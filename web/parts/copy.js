// A text that is meant to be taken elsewhere, with a button that copies it.

import { html, useRef, useState } from "../preact.js";

const SAID_MS = 2_000;

/** @param label what it is, for screen readers. */
export function Copyable({ label, text }) {
  const field = useRef(null);
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      field.current.select(); // over plain http a page may not write to the clipboard: it is one key from there
      return;
    }
    setCopied(true);
    setTimeout(() => setCopied(false), SAID_MS);
  };
  return html`
    <div class="copyable">
      <input ref=${field} readonly aria-label=${label} value=${text} onFocus=${(focused) => focused.target.select()} />
      <button type="button" onClick=${copy}>${isCopied ? "Copied" : "Copy"}</button>
      <span class="unseen" role="status">${isCopied ? `${label} copied` : ""}</span>
    </div>
  `;
}
