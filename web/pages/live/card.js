// One running call: who is in it, what was said last, and what can be done.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../preact.js";
import { get, post } from "../../api.js";
import { duration, words } from "../../format.js";
import { Action } from "../../parts/action.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { attempt, fail, tell } from "../../parts/notices.js";
import { isOver } from "./feed.js";
import { Listen } from "./listen.js";
import { STATES, stateOf } from "./state.js";

const LAST = 3; // lines that are shown of a call whose transcript is not open
const CLOSE_PX = 40; // to the end of what scrolls

/**
 * @param round another one when something may have been said of which `segments` does not know.
 * @param now milliseconds, the same for all cards.
 */
export function Card({ call, segments, round, now, listening }) {
  const isMine = listening.id === call.id;
  const [before, setBefore] = useState(null); // what was said before the page was opened, once that is asked for
  const toggle = async () => {
    if (before) return setBefore(null);
    return attempt(async () => setBefore(await readSegments(call.id)));
  };
  useEffect(() => {
    if (!before) return undefined;
    const aborter = new AbortController();
    readSegments(call.id, aborter.signal).then(setBefore, (error) => aborter.signal.aborted || fail(error));
    return () => aborter.abort();
  }, [round]);
  const lines = before ? merged(before, segments) : segments.slice(-LAST);
  const who = call.primary_participant.identity;
  const [card, heading] = useKeptFocus(isOver(call));
  return html`
    <article ref=${card} class="card running ${isOver(call) ? "over" : ""}" aria-labelledby="call-${call.id}">
      <header>
        <h2 ref=${heading} tabindex="-1" id="call-${call.id}"><a href="/calls/${call.id}"><bdi>${call.agent_name}</bdi><span class="unseen"> with <bdi>${who}</bdi></span></a></h2>
        <${Stage} call=${call} state=${(isMine && listening.agentState) || stateOf(segments)} />
        ${call.started_at && html`<span class="clock" role="timer">${duration(lasted(call, now))}</span>`}
      </header>
      <${People} call=${call} />
      <${Lines} ...${{ call, lines }} isOpen=${before !== null} />
      ${!isOver(call) &&
      html`<p class="actions">
        ${call.status === "in_progress" && html`
          <${Listen} call=${call} listening=${listening} />
          ${call.is_transcribed && html`<button type="button" aria-expanded=${before !== null} onClick=${toggle}>${before ? "Last words" : "Whole transcript"}</button>`}`}
        <${Action} class="end" work=${() => end(call, who)}>End …<//>
      </p>`}
    </article>
  `;
}

/** Refs of the card and its heading, which has the focus in place of a button that goes; behind the card, the page has it. */
function useKeptFocus(over) {
  const [card, heading] = [useRef(null), useRef(null)];
  const hasFocus = card.current?.contains(document.activeElement); // asked before what is drawn now takes its place
  useLayoutEffect(() => {
    if (over && hasFocus && !card.current.contains(document.activeElement)) heading.current.focus();
  }, [over]);
  useLayoutEffect(() => {
    const { current } = card;
    return () => current.contains(document.activeElement) && document.getElementById("main").focus({ preventScroll: true });
  }, []);
  return [card, heading];
}

function Stage({ call, state }) {
  if (isOver(call)) return html`<${Badge} mood="quiet">Over: ${words(call.end_reason)}<//>`;
  if (call.status !== "in_progress" || !STATES[state]) return html`<${Badge} of=${call.status} />`;
  return html`<span class="state ${state}"><span class="unseen">Agent: </span>${STATES[state]}</span>`;
}

function People({ call }) {
  return html`
    <ul class="people" aria-label="People">
      ${call.participants.map(({ id, identity, status, transport }) => html`
        <li key=${id}>
          <bdi class="identity">${identity}</bdi> <span class="quiet">${transport === "pstn" ? "phone" : "browser"}</span>
          ${status !== "joined" && status !== call.status && html` <${Badge} of=${status} />`}
        </li>`)}
    </ul>
  `;
}

/** The whole transcript follows what is said, unless somebody has scrolled back in it. */
function Lines({ call, lines, isOpen }) {
  const list = useRef(null);
  const follows = useRef(true);
  useEffect(() => {
    if (isOpen && follows.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [lines, isOpen]);
  const scrolled = ({ target }) => (follows.current = target.scrollHeight - target.scrollTop - target.clientHeight < CLOSE_PX);
  if (!call.is_transcribed) return html`<p class="quiet">What is said in this agent's calls is not written down.</p>`;
  if (lines.length === 0) return html`<p class="quiet">Nothing was said yet.</p>`;
  return html`
    <ol ref=${list} onScroll=${scrolled} class="lines ${isOpen ? "all" : ""}" aria-label="Transcript" tabindex=${isOpen ? 0 : null}>
      ${lines.map(({ sequence, speaker, participant_identity: identity, text, is_final: isFinal }) => html`
        <li key=${sequence} class="${speaker} ${isFinal ? "" : "growing"}">
          <strong><bdi>${speaker === "agent" ? call.agent_name : identity ?? "Caller"}</bdi></strong> <bdi>${text}</bdi>
        </li>`)}
    </ol>
  `;
}

async function end(call, who) {
  const detail = "Everybody in it is put out, the agent without a goodbye.";
  if (!(await confirm(html`End the call with <bdi>${who}</bdi>?`, { action: "End the call", detail }))) return;
  await post(`/v1/calls/${call.id}/end`);
  tell(html`The call with <bdi>${who}</bdi> was ended.`);
}

async function readSegments(id, signal) {
  return (await get(`/v1/calls/${id}`, {}, { signal })).transcript.segments;
}

/** Seconds from its beginning until now, or until its end. */
function lasted({ started_at: begun, ended_at: ended }, now) {
  return ((ended ? Date.parse(ended) : now) - Date.parse(begun)) / 1000;
}

/** Both in order; what the stream has sent is newer. */
function merged(before, segments) {
  const all = new Map([...before, ...segments].map((segment) => [segment.sequence, segment]));
  return [...all.values()].sort((one, other) => one.sequence - other.sequence);
}
