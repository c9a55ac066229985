// Questions that are asked before something happens that cannot be taken back.

import { html, render, useLayoutEffect, useRef } from "../preact.js";

/**
 * Ask, in a dialog that the keyboard can answer; Escape is no.
 *
 * @param question a text; one with somebody's name in it as `html`, with that in a <bdi>.
 * @param action the word on the button that says yes.
 * @returns a promise of true for yes.
 */
export function confirm(question, { action, detail = "", danger = true }) {
  return new Promise((resolve) => {
    const place = document.body.appendChild(document.createElement("div"));
    const answer = (yes) => {
      render(null, place);
      place.remove();
      resolve(yes);
    };
    render(html`<${Question} ...${{ question, detail, action, danger, answer }} />`, place);
  });
}

function Question({ question, detail, action, danger, answer }) {
  return html`
    <${Dialog} title=${question} onClose=${() => answer(false)}>
      ${detail && html`<p>${detail}</p>`}
      <p class="buttons">
        <button type="button" autofocus onClick=${() => answer(false)}>Cancel</button>
        <button type="button" class=${danger ? "danger" : "primary"} onClick=${() => answer(true)}>${action}</button>
      </p>
    <//>
  `;
}

/**
 * A modal dialog with a title.
 *
 * @param onClose called when Escape is pressed; without, the dialog is closed by what stands in it alone.
 */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  // At once: a key that is pressed right behind the click is for the dialog.
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown.showModal();
    return () => {
      shown.close(); // as long as it is open nothing else takes the focus
      before?.focus?.();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose?.();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="dialog-title" closedby=${onClose ? null : "none"} onCancel=${cancel}>
      <h2 id="dialog-title">${title}</h2>
      ${children}
    </dialog>
  `;
}
