// A button that does something which takes a moment: a second press meanwhile is none, and what goes wrong is said.

import { html, useEffect, useRef, useState } from "../preact.js";
import { attempt } from "./notices.js";

/** @param work `() => Promise`; other attributes go to the `<button>`. */
export function Action({ work, children, ...more }) {
  const [isBusy, setBusy] = useState(false);
  const busy = useRef(false); // known at once, where what is shown comes later
  const isGone = useRef(false);
  useEffect(() => () => (isGone.current = true), []);
  const press = async () => {
    if (busy.current) return;
    busy.current = true;
    setBusy(true);
    await attempt(work);
    busy.current = false;
    if (!isGone.current) setBusy(false);
  };
  // Not `disabled`, which would take the focus from it that it is to have again after a question.
  return html`<button type="button" ...${more} aria-disabled=${isBusy ? "true" : null} onClick=${press}>${children}</button>`;
}

/** The button that sends a form, whose `isBusy` is that of `useSending`. */
export function Submit({ isBusy, children, ...more }) {
  return html`<button class="primary" ...${more} aria-disabled=${isBusy ? "true" : null}>${children}</button>`;
}

/**
 * The state of a form that is sent: `send(submitted)` for its `onSubmit`, whether it is on its way, the error that
 * came back, which `faultsOf` takes apart, and `forget()`, after which there was none. While it is on its way, to send
 * it again is nothing; of what is refused, the first field has the focus.
 */
export function useSending(work) {
  const [state, setState] = useState({ isBusy: false, error: null });
  const busy = useRef(false);
  const place = useRef(null);
  useEffect(() => {
    if (state.error) focusFault(place.current);
  }, [state.error]);
  const send = async (submitted) => {
    submitted.preventDefault();
    if (busy.current) return;
    busy.current = true;
    place.current = { form: submitted.currentTarget, focused: document.activeElement };
    setState({ isBusy: true, error: null });
    try {
      await work();
      setState({ isBusy: false, error: null });
    } catch (error) {
      setState({ isBusy: false, error });
    }
    busy.current = false;
  };
  const forget = () => setState((before) => ({ ...before, error: null }));
  return { ...state, send, forget };
}

/** @param focused what had the focus when the form was sent: whoever is elsewhere by now stays there. */
function focusFault({ form, focused }) {
  if (document.activeElement !== focused && document.activeElement !== document.body) return;
  const field = form.querySelector('[aria-invalid="true"]');
  field?.closest("details")?.setAttribute("open", "");
  (field ?? focused).focus();
}

/** What the API said of a form, where its fields do not say it already. */
export function FormFault({ error, fields = [] }) {
  if (!error) return html`<p role="alert" class="fault"></p>`;
  const others = error.details.filter(({ path }) => !fields.includes(path)).map(({ path, message }) => `${path}: ${message}`);
  const text = error.details.length > 0 ? others.join(" ") || "Look at the marked fields." : error.message;
  return html`<p role="alert" class="fault">${text}</p>`;
}
