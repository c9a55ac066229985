// All running calls, as they go on.

import { html, useEffect, useRef, useState } from "../preact.js";
import { plural, words } from "../format.js";
import { Failure, Waiting } from "../parts/loaded.js";
import { Head } from "../parts/page.js";
import { Card } from "./live/card.js";
import { isOver, useLive } from "./live/feed.js";
import { useListening } from "./live/listening.js";

const MOST_SAID = 10; // lines, of which each was read out already
const MOST_NAMED = 5; // calls in one of them

export default function Live() {
  const { calls, waiting, isReady, round, trouble, error } = useLive();
  const now = useNow();
  const listening = useListening();
  const running = calls.filter(({ call }) => !isOver(call)).length;
  if (error) return html`<div><${Head} title="Live" /><${Failure} error=${error} /></div>`;
  return html`
    <div>
      <${Head} title="Live" about=${isReady && `${plural(running, "call")} now${waiting ? `, ${plural(waiting, "call")} waiting` : ""}`}
        actions=${waiting > 0 && html`<a class="button" href="/calls?status=queued">See who waits</a>`} />
      ${trouble && html`<p class="failure" role="alert">${trouble.message} What is shown may be old; it goes on by itself.</p>`}
      <${Announcer} calls=${isReady ? calls : null} />
      <div>${isReady ? calls.length === 0 && html`<${Nothing} />` : html`<${Waiting} />`}</div>
      <div class="live-calls">
        ${calls.map(({ call, segments }) => html`
          <${Card} key=${call.id} ...${{ call, segments, round, now, listening }} />`)}
      </div>
    </div>
  `;
}

function Nothing() {
  return html`
    <p class="empty">
      Nobody is talking. Calls appear here as they begin: <a href="/agents">talk to an agent</a>, <a href="/campaigns">call
      people</a>, or look at <a href="/calls">calls that are over</a>.
    </p>
  `;
}

/**
 * Says to screen readers which calls begin and end; what is said in them would be too much. Each time is a line of its own:
 * of a text that only changes, what came a moment before is not read out, nor what is the same as before.
 *
 * @param calls null as long as those are not known that were there before.
 */
function Announcer({ calls }) {
  const known = useRef(null); // call -> its status as it was said
  const [lines, setLines] = useState([]);
  useEffect(() => {
    if (!calls) return;
    const before = known.current;
    known.current = new Map(calls.map(({ call }) => [call.id, call.status]));
    if (before) setLines((said) => withNews(said, calls.filter(({ call }) => before.get(call.id) !== call.status)));
  }, [calls]);
  return html`<div class="unseen" role="log" aria-label="Calls that begin and end">${lines.map(({ number, text }) => html`<p key=${number}>${text}</p>`)}</div>`;
}

function withNews(said, changed) {
  const begun = changed.filter(({ call }) => call.status === "in_progress");
  const over = changed.filter(({ call }) => isOver(call));
  const which = ({ call }) => `${call.agent_name} with ${call.primary_participant.identity}`;
  const texts = [
    sentence(begun, "A call has begun", "calls have begun", which),
    sentence(over, "A call is over", "calls are over", (one) => `${which(one)}, ${words(one.call.end_reason)}`),
  ].filter(Boolean);
  const next = (said.at(-1)?.number ?? 0) + 1;
  return texts.length > 0 ? [...said, ...texts.map((text, i) => ({ number: next + i, text }))].slice(-MOST_SAID) : said;
}

function sentence(calls, one, many, which) {
  if (calls.length === 0) return "";
  const others = calls.length > MOST_NAMED ? `; and ${calls.length - MOST_NAMED} more` : "";
  return `${calls.length === 1 ? one : `${calls.length} ${many}`}: ${calls.slice(0, MOST_NAMED).map(which).join("; ")}${others}.`;
}

function useNow() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
