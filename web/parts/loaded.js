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
 *     what `load` gave for it; `more()` fetches the next page, does nothing while one is on its way, and is null if there is
 *     none; `reload()` fetches as many rows again as there are. Rows of other `inputs` stay until there are new ones, are
 *     `isStale`, and are gone when those of now fail.
 */
export function usePages(load, inputs) {
  const [state, setState] = useState({ isLoading: true });
  const [round, setRound] = useState(0);
  const aborter = useRef(null);
  const wanted = useRef(0); // how many rows a reload is to bring again
  const fetchRows = async (place, count) => {
    const { signal } = aborter.current;
    setState((before) => ({ ...before, isLoading: true, error: undefined }));
    try {
      const { rows, next, first } = await rowsFrom(load, place, count, signal);
      if (signal.aborted) return;
      setState((before) => ({
        rows: place === null ? rows : [...before.rows, ...rows],
        first: place === null ? first : before.first,
        next,
        inputs,
        isLoading: false,
      }));
    } catch (error) {
      if (!signal.aborted) setState((before) => ({ ...before, error, isLoading: false }));
    }
  };
  useEffect(() => {
    aborter.current = new AbortController();
    fetchRows(null, wanted.current);
    wanted.current = 0;
    return () => aborter.current.abort();
  }, [...inputs, round]);
  const { next, first, error, isLoading } = state;
  const isStale = isOfOthers(state, inputs);
  const rows = isStale && error ? undefined : state.rows;
  const more = next && !isStale ? async () => isLoading || fetchRows(next, 0) : null;
  const count = useRef(0);
  count.current = rows?.length ?? 0;
  const reload = useCallback(() => {
    wanted.current = count.current;
    setRound((before) => before + 1);
  }, []);
  return { rows, first, error, isLoading, isStale, more, reload };
}

/** The rows from a place on, page by page until there are `count`; `first` is the first page. */
async function rowsFrom(load, place, count, signal) {
  const first = await load(place, signal);
  let { rows, next } = first;
  while (next !== null && rows.length < count) {
    const page = await load(next, signal);
    rows = [...rows, ...page.rows];
    next = page.next;
  }
  return { first, rows, next };
}

/**
 * What is shown of `useLoaded` or `usePages`: an error with a way to try again, a sign of waiting, or nothing more. Of
 * what is still shown after an error it says that it is from before.
 */
export function Loading({ error, isLoading, data, reload }) {
  if (error) return html`<${Failure} error=${error} isOld=${data !== undefined} onAgain=${reload} />`;
  return isLoading && data === undefined ? html`<${Waiting} />` : null;
}

export function Waiting() {
  return html`<p class="waiting" role="status"><span class="spinner" aria-hidden="true"></span>Loading …</p>`;
}

export function Failure({ error, isOld, onAgain = () => location.reload() }) {
  return html`
    <div class="failure" role="alert">
      <p>${error.message}${isOld && " What is shown here is from before."}</p>
      <button type="button" onClick=${onAgain}>Try again</button>
    </div>
  `;
}
