// All running calls, as they go on.

import { html, useEffect, useRef, useState } from "../preact.js";
import { plural, words } from "../format.js";
import { useAgentNames } from "../parts/agent-names.js";
import { Failure, Waiting } from "../parts/loaded.js";
import { Head } from "../parts/page.js";
import { Card } from "./live/card.js";
import { isOver, useLive } from "./live/feed.js";
import { useListening } from "./live/listening.js";

export default function Live() {
  const { calls, waiting, isReady, round, trouble, error } = useLive();
  const { nameOf } = useAgentNames([...new Set(calls.map(({ call }) => call.agent_id))]);
  const now = useNow();
  const listening = useListening();
  const running = calls.filter(({ call }) => !isOver(call)).length;
  if (error) return html`<div><${Head} title="Live" /><${Failure} error=${error} /></div>`;
  return html`
    <div>
      <${Head} title="Live" about=${isReady && `${plural(running, "call")} now${waiting ? `, ${plural(waiting, "call")} waiting` : ""}`}
        actions=${waiting > 0 && html`<a class="button" href="/calls?status=queued">See who waits</a>`} />
      ${trouble && html`<p class="failure" role="alert">${trouble.message} What is shown may be old; it goes on by itself.</p>`}
      <${Announcer} calls=${isReady ? calls : null} nameOf=${nameOf} />
      <div>${isReady ? calls.length === 0 && html`<${Nothing} />` : html`<${Waiting} />`}</div>
      <div class="live-calls">
        ${calls.map(({ call, segments }) => html`
          <${Card} key=${call.id} ...${{ call, segments, round, now, listening }} agentName=${nameOf(call.agent_id)} />`)}
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
 * Says to screen readers which calls begin and end; what is said in them would be too much.
 *
 * @param calls null as long as those are not known that were there before.
 */
function Announcer({ calls, nameOf }) {
  const known = useRef(null);
  const [said, say] = useState("");
  useEffect(() => {
    if (!calls) return;
    const before = known.current;
    known.current = new Map(calls.map(({ call }) => [call.id, call.status]));
    for (const { call } of before ? calls : []) {
      if (before.get(call.id) === call.status) continue;
      const which = `${nameOf(call.agent_id)} with ${call.primary_participant.identity}`;
      if (call.status === "in_progress") say(`A call has begun: ${which}.`);
      if (isOver(call)) say(`A call is over: ${which}, ${words(call.end_reason)}.`);
    }
  }, [calls]);
  return html`<p class="unseen" role="status">${said}</p>`;
}

function useNow() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
