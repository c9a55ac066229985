// What was said and what happened, as it follows the sound; a moment is a link that plays from there.

import { html, useEffect, useMemo, useRef, useState } from "../../preact.js";
import { duration } from "../../format.js";
import { Happened, Said, Tool } from "./rows.js";
import { bringIntoView, onReaderScroll, useEnd } from "./scrolling.js";

const AT_ONCE = 250;

/**
 * @param entries as `entriesOf` gives them.
 * @param empty what is said where nothing was.
 * @param onSeek `(seconds)`.
 * @param start the second that is to be seen first, if the address says one.
 */
export function Conversation({ call, entries, playback, isLive, empty, onSeek, start, onMore }) {
  const [box, list] = [useRef(null), useRef(null)];
  const [withEvents, showEvents] = useState(true);
  const [follows, setFollows] = useState(true);
  const [current, setCurrent] = useState(null); // where there is no sound: what was gone to
  const names = useMemo(() => namesOf(call), [call.agent.name, call.participants.length]);
  const shown = useMemo(() => (withEvents ? entries : entries.filter(({ kind }) => kind !== "happened")), [entries, withEvents]);
  const endMs = call.started_at && call.ended_at ? Date.parse(call.ended_at) - Date.parse(call.started_at) : Infinity;
  const rows = useRows(shown, names, call.id, endMs);
  const said = useMemo(() => entries.filter(({ kind }) => kind === "said"), [entries]);

  useEffect(() => {
    let marked; // looked for only when it is another one: this is asked at every picture
    const mark = () => {
      const at = playback ? playback.position * 1000 : current * 1000;
      const key = at > 0 || current !== null ? keyAt(said, at) : null;
      if (key === marked) return;
      marked = key;
      const row = key && box.current.querySelector(`[data-key="${key}"]`);
      box.current.querySelector("[aria-current]")?.removeAttribute("aria-current");
      row?.setAttribute("aria-current", "true");
      if (row && follows) bringIntoView(box.current, row);
    };
    mark();
    return playback?.subscribe(mark);
  }, [playback, said, rows, follows, current]);

  useEnd(box, list, { isWanted: isLive, begins: start === null });
  useEffect(() => {
    if (start !== null) setCurrent(start);
  }, [start]);

  const seek = (second) => {
    setFollows(true);
    setCurrent(second);
    onSeek(second);
  };
  const click = (clicked) => {
    const row = clicked.target.closest("li[data-at]");
    const isMoment = clicked.target.closest("a.at");
    if (!row || (!isMoment && (clicked.target.closest("a, button, summary, details") || String(getSelection())))) return;
    if (clicked.metaKey || clicked.ctrlKey || clicked.shiftKey || clicked.button !== 0) return; // into another tab
    clicked.preventDefault();
    seek(Number(row.dataset.at) / 1000);
  };
  const isEmpty = said.length === 0;
  return html`
    <section class="card conversation" aria-labelledby="conversation-title">
      <div class="head">
        <h2 id="conversation-title">Conversation</h2>
        <div class="actions">
          <label class="check"><input type="checkbox" checked=${withEvents} onChange=${({ target }) => showEvents(target.checked)} /> Events</label>
          ${playback && html`<label class="check"><input type="checkbox" checked=${follows} onChange=${({ target }) => setFollows(target.checked)} /> Follow the sound</label>`}
        </div>
      </div>
      ${isEmpty && html`<p class="quiet">${empty}</p>`}
      ${rows.length > 0 && html`<a class="pass" href="#results-title" data-external>Skip the conversation</a>`}
      <div ref=${box} class="timeline" tabindex="0" role="region" aria-label="What was said and done" onClick=${click} ...${onReaderScroll(() => setFollows(false))}>
        <ol ref=${list}>${rows}</ol>
      </div>
      ${onMore && html`<p class="more"><button type="button" onClick=${onMore}>Show later events</button></p>`}
      ${isLive && html`<${Announcer} last=${said.findLast(({ segment }) => segment.is_final)} names=${names} />`}
    </section>
  `;
}

/** The rows of a long call come some at a time, and those that are as before are not looked at again. */
function useRows(entries, names, id, endMs) {
  const [most, setMost] = useState(AT_ONCE);
  const kept = useRef(new Map());
  const { length } = entries;
  useEffect(() => {
    if (most >= length) return undefined;
    const timer = setTimeout(() => setMost((before) => before + AT_ONCE));
    return () => clearTimeout(timer);
  }, [most, length]);
  return useMemo(() => {
    const before = kept.current;
    kept.current = new Map();
    return entries.slice(0, most).map((entry) => {
      const { key, at, turn, segment, tool, event } = entry;
      const shows = [at, turn, segment, tool, event, names, endMs];
      const known = before.get(key);
      const isSame = known && known.shows.every((one, i) => one === shows[i]);
      const row = isSame ? known : { shows, html: html`<${Row} key=${key} ...${{ entry, names, id, endMs }} />` };
      kept.current.set(key, row);
      return row.html;
    });
  }, [entries, names, id, endMs, most]);
}

/** What happened before the call or after it is nowhere in its sound. */
function Row({ entry, names, id, endMs }) {
  const seconds = Math.abs(entry.at / 1000);
  const moment = entry.at < 0 || (entry.kind === "happened" && entry.at > endMs)
    ? html`<span class="at">${entry.at < 0 ? "−" : ""}${duration(seconds)}</span>`
    : html`<a class="at" href="/calls/${id}?t=${asQuery(seconds)}" aria-label="Go to ${duration(seconds)}">${duration(seconds)}</a>`;
  if (entry.kind === "said") return html`<${Said} ...${{ entry, moment }} name=${names(entry.segment)} />`;
  return entry.kind === "tool" ? html`<${Tool} ...${{ entry, moment }} />` : html`<${Happened} ...${{ entry, moment }} />`;
}

/** To a tenth, and not before it. */
export function asQuery(seconds) {
  return String(Math.ceil(seconds * 10) / 10);
}

/** Finished lines are read out as they come, half ones are not. */
function Announcer({ last, names }) {
  const text = last ? `${names(last.segment)}: ${last.segment.text}` : "";
  return html`<p class="unseen" aria-live="polite">${text}</p>`;
}

function namesOf({ agent, participants }) {
  const isOne = participants.length === 1;
  return ({ speaker, participant_identity: identity }) => {
    if (speaker === "agent") return agent.name;
    return isOne || !identity ? "Caller" : identity;
  };
}

/** The last thing that was begun to be said by then. */
function keyAt(said, at) {
  let [low, high] = [0, said.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (said[middle].at <= at) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? said[low - 1].key : null;
}
