// Fields that are bound to a place in the agent by its path, which is also how the API names what is wrong there.

import { createContext, html, useContext, useEffect, useRef, useState } from "../../preact.js";
import { ChoiceField, LongField, NumberField, SwitchField, TextField } from "../../parts/field.js";
import { JsonField } from "../../parts/json-field.js";
import { at, put } from "./draft.js";

/**
 * `{ draft, change(draft => draft), faults: [{ path, message }], hold, round }`; `hold()` says that a field has a text
 * which counts for nothing yet, until what it returns is called; texts of an earlier `round` are gone.
 */
export const AgentForm = createContext(null);

/** `{ value, set(value), fault }` of a path. */
export function useAt(path) {
  const { draft, change, faults } = useContext(AgentForm);
  const found = faults.filter((fault) => isWithin(fault.path, path));
  return {
    value: at(draft, path),
    set: (value) => change((before) => put(before, path, value)),
    fault: found.map((one) => (one.path === path ? one.message : `${one.path.slice(path.length).replace(/^\./, "")}: ${one.message}`)).join(" "),
  };
}

/** While something is broken, the form has unsaved changes, whatever its draft is. */
export function useBroken(isBroken) {
  const { hold } = useContext(AgentForm);
  useEffect(() => (isBroken ? hold() : undefined), [isBroken]);
}

function isWithin(path, outer) {
  return path === outer || path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}

/** @param empty what an empty field stands for: "" or null. */
export function Text({ path, empty = "", ...more }) {
  const { value, set, fault } = useAt(path);
  return html`<${TextField} ...${more} fault=${fault} value=${value ?? ""} onValue=${(text) => set(text === "" ? empty : text)} />`;
}

export function Long({ path, empty = "", ...more }) {
  const { value, set, fault } = useAt(path);
  return html`<${LongField} ...${more} fault=${fault} value=${value ?? ""} onValue=${(text) => set(text === "" ? empty : text)} />`;
}

/** A number; an empty field is null. */
export function Amount({ path, ...more }) {
  const { value, set, fault } = useAt(path);
  return html`<${NumberField} ...${more} fault=${fault} value=${value} onValue=${set} />`;
}

/** @param usual what is so where nothing is said. */
export function Choice({ path, usual = "", ...more }) {
  const { value, set, fault } = useAt(path);
  return html`<${ChoiceField} ...${more} fault=${fault} value=${value ?? usual} onValue=${set} />`;
}

export function Switch({ path, usual = false, ...more }) {
  const { value, set, fault } = useAt(path);
  return html`<${SwitchField} ...${more} fault=${fault} value=${value ?? usual} onValue=${set} />`;
}

/** @param empty what an empty field stands for. */
export function Json({ path, empty, onBroken = () => {}, ...more }) {
  const { value, set, fault } = useAt(path);
  const { round } = useContext(AgentForm);
  const [isBroken, setBroken] = useState(false);
  useBroken(isBroken);
  const mark = (isNow) => {
    setBroken(isNow);
    onBroken(isNow);
  };
  return html`<${JsonField} key=${round} ...${more} fault=${fault} value=${value} onValue=${(json) => set(json === undefined ? empty : json)} onBroken=${mark} />`;
}

/** A part of the form that can be folded away; one in which something is wrong is open. */
export function Section({ title, about, paths, isOpen = false, children }) {
  const { faults } = useContext(AgentForm);
  const isWrong = faults.some((fault) => paths.some((path) => isWithin(fault.path, path)));
  return html`
    <details class="card section" open=${isOpen || isWrong}>
      <summary><h2>${title}</h2><span class="quiet">${about}</span></summary>
      <div class="inside">${children}</div>
    </details>
  `;
}

let lastKey = 0;

/**
 * A list of things that can be added and taken out.
 *
 * @param one what one of them is called, with its article: "a voice".
 * @param fresh what a new one is.
 * @param show `(path, index) => content`.
 */
export function Many({ path, one, fresh, show, canMove = false }) {
  const { value, set, fault } = useAt(path);
  const all = value ?? [];
  const name = one.replace(/^an? /, "");
  // Each keeps its own, whatever its place: half a text in one is not to be another's.
  const keys = useRef([]);
  if (keys.current.length !== all.length) keys.current = all.map(() => ++lastKey);
  const arrange = (change) => {
    keys.current = change(keys.current, ++lastKey);
    set(change(all, fresh));
  };
  const move = (from, to) => arrange((list) => list.toSpliced(from, 1).toSpliced(to, 0, list[from]));
  return html`
    <div>
      ${fault && all.length === 0 && html`<p class="fault">${fault}</p>`}
      ${all.map(
        (_, i) => html`
          <fieldset key=${keys.current[i]}>
            <legend>${name.replace(/^./, (first) => first.toUpperCase())} ${i + 1}</legend>
            ${show(`${path}[${i}]`, i)}
            <p class="buttons inner">
              ${canMove && i > 0 && html`<button type="button" onClick=${() => move(i, i - 1)}>Move up</button>`}
              <button type="button" onClick=${() => arrange((list) => list.toSpliced(i, 1))}>Remove ${name} ${i + 1}</button>
            </p>
          </fieldset>
        `,
      )}
      <p><button type="button" onClick=${() => arrange((list, added) => [...list, added])}>Add ${one}</button></p>
    </div>
  `;
}
