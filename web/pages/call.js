// The page of one call: its sound, words and events on one time line, and what came of it; live while it runs.

import { html, useCallback, useEffect, useMemo, useRef, useState } from "../preact.js";
import { get } from "../api.js";
import { words } from "../format.js";
import { Failure, useLoaded, Waiting } from "../parts/loaded.js";
import { attempt } from "../parts/notices.js";
import { Head } from "../parts/page.js";
import { setQuery } from "../router.js";
import { AgentThen } from "./call/agent.js";
import { asQuery, Conversation } from "./call/conversation.js";
import { entriesOf, lengthOf } from "./call/entries.js";
import { Facts, Latency } from "./call/facts.js";
import { isOver, useCall } from "./call/following.js";
import { Heading } from "./call/heading.js";
import { Json } from "./call/json.js";
import { People } from "./call/people.js";
import { Player, useRecording } from "./call/player.js";
import { Results } from "./call/results.js";

const MOST_EVENTS = 1000; // in a call's detail
const PAGE_OF_EVENTS = 200;
const NOTED_MS = 300;

export default function Page({ id }) {
  const { call, segments, events, error, trouble, isFollowed, again } = useCall(id);
  if (call) return html`<div>${trouble && html`<p class="failure" role="status">${trouble.message} What is new is shown when it does.</p>`}${error && html`<${Failure} error=${error} onAgain=${again} />`}<${Call} ...${{ call, segments, events, isFollowed, again }} /></div>`;
  if (error?.status === 404 || error?.status === 400) return html`<div><${Head} title="No such call" about="There is no call at this address, or not for this key." /><p><a href="/calls">All calls</a></p></div>`;
  return html`<div><${Head} title="Call" />${error ? html`<${Failure} error=${error} onAgain=${again} />` : html`<${Waiting} />`}</div>`;
}

function Call({ call, segments, events, isFollowed, again }) {
  const recording = useRecording(call);
  const { later, onMore } = useLaterEvents(call, events);
  const entries = useMemo(() => entriesOf({ call, segments, events: later }), [call, segments, later]);
  const lengthMs = useMemo(() => lengthOf({ call, segments }), [call, segments]);
  const start = useStart(recording.playback);
  const note = useNote();
  const seek = useCallback(
    (seconds) => {
      const second = Math.min(Math.max(0, seconds), lengthMs / 1000);
      recording.playback?.seek(second);
      note(second);
    },
    [recording.playback, lengthMs],
  );
  const isLive = !isOver(call);
  const isPrivate = useIsPrivate(call, segments);
  return html`
    <div>
      <${Heading} ...${{ call, again }} />
      ${call.erased_at && html`<p class="notice">This call was erased. What is left is its bill.</p>`}
      <${Player} ...${{ call, lengthMs, entries, recording }} onSeek=${seek} />
      <div class="beside">
        <${Conversation} ...${{ call, entries, isLive, start, onMore }} playback=${recording.playback} empty=${whyEmpty(call, isPrivate)} onSeek=${seek} />
        <div class="aside cards">
          <${Results} ...${{ call, isFollowed, isPrivate }} />
          <${People} call=${call} />
          <${Latency} latency=${call.latency} />
          <${Facts} call=${call} />
          <${AgentThen} call=${call} />
          <${Json} call=${call} />
        </div>
      </div>
    </div>
  `;
}

/** The second that the address says (`?t=83`), at which the sound stands when there is some. */
function useStart(playback) {
  const [start] = useState(() => {
    const given = Number(new URLSearchParams(location.search).get("t") ?? NaN);
    return Number.isFinite(given) && given >= 0 ? given : null;
  });
  const isThere = useRef(false);
  useEffect(() => {
    if (!playback || start === null || isThere.current) return;
    isThere.current = true;
    playback.seek(start);
  }, [playback]);
  return start;
}

/** Puts a moment into the address once it is settled: browsers let nobody do that for every dot of a drag. */
function useNote() {
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback((second) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ t: asQuery(second) }), NOTED_MS);
  }, []);
}

/** A call's detail has its first thousand events; the others come when they are asked for. */
function useLaterEvents(call, events) {
  const [more, setMore] = useState([]);
  const [isAll, setAll] = useState(false);
  const known = useMemo(() => [...new Map([...events, ...more].map((event) => [event.id, event])).values()], [events, more]);
  const onMore = () =>
    attempt(async () => {
      const page = await get(`/v1/calls/${call.id}/events`, { offset: known.length, limit: PAGE_OF_EVENTS });
      setMore([...more, ...page.events]);
      setAll(page.offset + page.events.length >= page.total);
    });
  const mayBeMore = call.events.length === MOST_EVENTS && !isAll;
  return { later: known, onMore: mayBeMore ? onMore : null };
}

/** Whether nothing of the call is written down, as its agent's settings said; asked for only where nothing is. */
function useIsPrivate(call, segments) {
  const isAsked = segments.length === 0 && call.started_at !== null && !call.transcript.erased_at;
  const { data } = useLoaded(async (signal) => (isAsked ? get(`/v1/calls/${call.id}/agent`, {}, { signal }) : null), [call.id, isAsked]);
  return data?.features.transcription_enabled === false;
}

function whyEmpty({ end_reason: reason, transcript, started_at: startedAt, ended_at: endedAt }, isPrivate) {
  if (transcript.erased_at) return "What was said was erased.";
  if (endedAt && !startedAt) return `There was no conversation: ${words(reason)}.`;
  if (isPrivate) return "What is said in this agent's calls is not written down.";
  return endedAt ? "Nothing was said." : "Nobody has said anything yet.";
}
