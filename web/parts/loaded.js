// Data that comes from the API: waiting for it, having it, and what went wrong.

import { html, useCallback, useEffect, useRef, useState } from "../preact.js";

/**
 * What `load(signal)` gives, anew whenever something in `inputs` changes or `reload()` is called.
 *
 * @returns `{ data, error, isLoading, reload, setData }`; data of before stays until there is new.
 */
export function useLoaded(load, inputs) {
  const [state, setState] = useState({ isLoading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    setState((before) => ({ ...before, isLoading: true }));
    load(aborter.signal).then(
      (data) => aborter.signal.aborted || setState({ data, isLoading: false }),
      (error) => aborter.signal.aborted || setState((before) => ({ ...before, error, isLoading: false })),
    );
    return () => aborter.abort();
  }, [...inputs, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  const setData = useCallback((data) => setState({ data, isLoading: false }), []);
  return { ...state, reload, setData };
}

/**
 * A list that comes page by page: `load(place, signal)` gives `{ rows, next }`; the place of the first page is null, and
 * `next` is null on the last.
 *
 * @returns `{ rows, first, error, isLoading, more, reload }`; `rows` is undefined before the first page; `first` is what
 *     `load` gave for it; `more()` fetches the next page and is null if there is none.
 */
export function usePages(load, inputs) {
  const [state, setState] = useState({ isLoading: true });
  const [round, setRound] = useState(0);
  const aborter = useRef(null);
  const fetchPage = (place) => {
    const { signal } = aborter.current;
    setState((before) => ({ ...before, isLoading: true, error: undefined }));
    load(place, signal).then(
      (page) =>
        signal.aborted ||
        setState((before) => ({
          rows: place === null ? page.rows : [...before.rows, ...page.rows],
          first: place === null ? page : before.first,
          next: page.next,
          isLoading: false,
        })),
      (error) => signal.aborted || setState((before) => ({ ...before, error, isLoading: false })),
    );
  };
  useEffect(() => {
    aborter.current = new AbortController();
    fetchPage(null);
    return () => aborter.current.abort();
  }, [...inputs, round]);
  const { next, ...shown } = state;
  const more = next && !state.isLoading ? () => fetchPage(next) : null;
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { ...shown, more, reload };
}

/** What is shown of `useLoaded` or `usePages`: an error with a way to try again, a sign of waiting, or nothing more. */
export function Loading({ error, isLoading, data, reload }) {
  if (error) return html`<${Failure} error=${error} onAgain=${reload} />`;
  return isLoading && data === undefined ? html`<${Waiting} />` : null;
}

export function Waiting() {
  return html`<p class="waiting" role="status"><span class="spinner" aria-hidden="true"></span>Loading …</p>`;
}

export function Failure({ error, onAgain = () => location.reload() }) {
  return html`
    <div class="failure" role="alert">
      <p>${error.message}</p>
      <button type="button" onClick=${onAgain}>Try again</button>
    </div>
  `;
}
