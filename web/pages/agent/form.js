// Fields that are bound to a place in the agent by its path, which is also how the API names what is wrong there.

import { createContext, html, useContext } from "../../preact.js";
import { ChoiceField, LongField, SwitchField, TextField } from "../../parts/field.js";
import { JsonField } from "../../parts/json-field.js";
import { at, put } from "./draft.js";

/** `{ draft, change(draft => draft), faults: [{ path, message }] }`. */
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
  return html`<${TextField} type="number" step="any" ...${more} fault=${fault} value=${value ?? ""} onValue=${(text) => set(text === "" ? null : Number(text))} />`;
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
export function Json({ path, empty, ...more }) {
  const { value, set, fault } = useAt(path);
  return html`<${JsonField} ...${more} fault=${fault} value=${value} onValue=${(json) => set(json === undefined ? empty : json)} />`;
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
  const move = (from, to) => set(all.toSpliced(from, 1).toSpliced(to, 0, all[from]));
  return html`
    <div>
      ${fault && all.length === 0 && html`<p class="fault">${fault}</p>`}
      ${all.map(
        (_, i) => html`
          <fieldset key=${i}>
            <legend>${name.replace(/^./, (first) => first.toUpperCase())} ${i + 1}</legend>
            ${show(`${path}[${i}]`, i)}
            <p class="buttons inner">
              ${canMove && i > 0 && html`<button type="button" onClick=${() => move(i, i - 1)}>Move up</button>`}
              <button type="button" onClick=${() => set(all.toSpliced(i, 1))}>Remove ${name} ${i + 1}</button>
            </p>
          </fieldset>
        `,
      )}
      <p><button type="button" onClick=${() => set([...all, fresh])}>Add ${one}</button></p>
    </div>
  `;
}
