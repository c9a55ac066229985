// Data that comes from the API: waiting for it, having it, and what went wrong.

import { html, useCallback, useEffect, useRef, useState } from "../preact.js";

/**
 * What `load(signal)` gives, anew whenever something in `inputs` changes or `reload()` is called.
 *
 * @returns `{ data, error, isLoading, isStale, reload, setData }`; data of before stays until there is new; of other `inputs`
 *     it `isStale`, and is gone when those of now fail.
 */
export function useLoaded(load, inputs) {
  const [state, setState] = useState({ isLoading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const aborter = new AbortController();
    setState((before) => ({ ...before, isLoading: true }));
    load(aborter.signal).then(
      (data) => aborter.signal.aborted || setState({ data, inputs, isLoading: false }),
      (error) => aborter.signal.aborted || setState((before) => ({ ...before, error, isLoading: false })),
    );
    return () => aborter.abort();
  }, [...inputs, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  const setData = useCallback((data) => setState((before) => ({ data, inputs: before.inputs, isLoading: false })), []);
  const isStale = isOfOthers(state, inputs);
  return { data: isStale && state.error ? undefined : state.data, error: state.error, isLoading: state.isLoading, isStale, reload, setData };
}

/** Whether what was loaded belongs to other inputs than these. */
function isOfOthers({ inputs: before }, inputs) {
  return before !== undefined && inputs.some((input, i) => input !== before[i]);
}

/**
 * A list that comes page by page: `load(place, signal)` gives `{ rows, next }`; the place of the first page is null, and
 * `next` is null on the last.
 *
 * @returns `{ rows, first, error, isLoading, isStale, more, reload }`; `rows` is undefined before the first page; `first` is
 *     what `load` gave for it; `more()` fetches the next page and is null if there is none. Rows of other `inputs` stay until
 *     there are new ones, are `isStale`, and are gone when those of now fail.
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
          inputs,
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
  const { next, first, error, isLoading } = state;
  const isStale = isOfOthers(state, inputs);
  const rows = isStale && error ? undefined : state.rows;
  const more = next && !isLoading && !isStale ? () => fetchPage(next) : null;
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { rows, first, error, isLoading, isStale, more, reload };
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
