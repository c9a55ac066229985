// A labelled field of a form, with its help and what the API said is wrong with it.

import { html, useEffect, useMemo, useState } from "../preact.js";

let ids = 0;

function useId() {
  return useMemo(() => `field-${++ids}`, []);
}

/** `[{ path, message }]` of an `ApiError` as `{ path: message }`, for the fields of a form. */
export function faultsOf(error) {
  return Object.fromEntries((error?.details ?? []).map(({ path, message }) => [path, message]));
}

/**
 * @param control `(attributes) => element`: the input; `attributes` tie it to its label, help and fault.
 */
export function Field({ label, help, fault, control }) {
  const id = useId();
  const described = [help && `${id}-help`, fault && `${id}-fault`].filter(Boolean).join(" ") || null;
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${control({ id, "aria-describedby": described, "aria-invalid": fault ? "true" : null })}
      ${help && html`<p id="${id}-help" class="help">${help}</p>`}
      ${fault && html`<p id="${id}-fault" class="fault">${fault}</p>`}
    </div>
  `;
}

/** One line of text; `onValue(text)`. Other attributes go to the `<input>`. */
export function TextField({ label, help, fault, value, onValue, ...more }) {
  const control = (tied) => html`<input ...${tied} ...${more} value=${value} onInput=${(typed) => onValue(typed.target.value)} />`;
  return html`<${Field} ...${{ label, help, fault, control }} />`;
}

/** A number, which is null where the field is empty; `onValue(number)`. What is typed stays as it is typed: 0.50, 1e3. */
export function NumberField({ value, onValue, ...more }) {
  const [text, setText] = useState(() => String(value ?? ""));
  useEffect(() => {
    if (numberOf(text) !== (value ?? null)) setText(String(value ?? "")); // it was changed elsewhere
  }, [value]);
  const type = (typed) => {
    setText(typed);
    onValue(numberOf(typed));
  };
  return html`<${TextField} type="number" step="any" ...${more} value=${text} onValue=${type} />`;
}

function numberOf(text) {
  return text === "" ? null : Number(text);
}

/** Several lines of text; `onValue(text)`. */
export function LongField({ label, help, fault, value, onValue, ...more }) {
  const control = (tied) => html`<textarea ...${tied} ...${more} value=${value} onInput=${(typed) => onValue(typed.target.value)}></textarea>`;
  return html`<${Field} ...${{ label, help, fault, control }} />`;
}

/** One of `options`, `[[value, text], …]`; `onValue(value)`. */
export function ChoiceField({ label, help, fault, value, options, onValue, ...more }) {
  const control = (tied) => html`
    <select ...${tied} ...${more} value=${value} onChange=${(chosen) => onValue(chosen.target.value)}>
      ${options.map(([option, text]) => html`<option key=${option} value=${option} selected=${option === value}>${text}</option>`)}
    </select>
  `;
  return html`<${Field} ...${{ label, help, fault, control }} />`;
}

/** Yes or no; `onValue(boolean)`. */
export function SwitchField({ label, help, fault, value, onValue, ...more }) {
  const id = useId();
  return html`
    <div class="field switch">
      <input id=${id} type="checkbox" ...${more} checked=${value} aria-describedby=${help ? `${id}-help` : null} onChange=${(changed) => onValue(changed.target.checked)} />
      <label for=${id}>${label}</label>
      ${help && html`<p id="${id}-help" class="help">${help}</p>`}
      ${fault && html`<p class="fault">${fault}</p>`}
    </div>
  `;
}
