// JSON that is written by hand: what is none is said at once, and leaves the value as it was.

import { html, useEffect, useState } from "../preact.js";
import { LongField } from "./field.js";

/**
 * @param value what is shown; an empty field stands for undefined.
 * @param onValue called with every text that is JSON, as its value; what it throws is said at the field. A field whose
 *     text counts for nothing has the attribute `data-broken`: a form that has such a one is not to be sent.
 * @param onBroken told whether it is such a one.
 */
export function JsonField({ value, onValue, onBroken = () => {}, fault, ...more }) {
  const [text, setText] = useState(() => written(value));
  const [broken, setBroken] = useState("");
  useEffect(() => {
    if (!broken && written(read(text)) !== written(value)) setText(written(value)); // it was changed elsewhere
  }, [value]);
  useEffect(() => onBroken(broken !== ""), [broken]);
  const type = (typed) => {
    setText(typed);
    try {
      onValue(read(typed));
      setBroken("");
    } catch (error) {
      setBroken(error instanceof SyntaxError ? `This is not JSON: ${error.message}` : error.message);
    }
  };
  return html`<${LongField} class="code" spellcheck=${false} ...${more} data-broken=${broken ? "true" : null} value=${text} onValue=${type} fault=${broken || fault} />`;
}

function written(value) {
  return value === undefined || value === null ? "" : JSON.stringify(value, null, 2);
}

function read(text) {
  return text.trim() === "" ? undefined : JSON.parse(text);
}
