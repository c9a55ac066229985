// What call it is, how it stands, and what can be done with it.

import { html, useEffect, useState } from "../../preact.js";
import { ApiError, post, remove } from "../../api.js";
import { duration, exactMoment, moment, plural, words } from "../../format.js";
import { Action } from "../../parts/action.js";
import { Badge } from "../../parts/badge.js";
import { confirm } from "../../parts/dialog.js";
import { tell } from "../../parts/notices.js";
import { Head } from "../../parts/page.js";
import { Listen } from "../live/listen.js";
import { useListening } from "../live/listening.js";
import { isOver } from "./following.js";

/** @param again begins to follow the call anew. */
export function Heading({ call, again }) {
  const { agent, participant_count: people, primary_participant: first } = call;
  const others = people > 1 && ` and ${plural(people - 1, "other")}`;
  const about = html`
    <${Badge} of=${call.status} /> <a href="/agents/${call.agent_id}"><bdi>${agent.name}</bdi></a>,
    ${" "}<time datetime=${call.created_at} title=${exactMoment(call.created_at)}>${moment(call.created_at)}</time><${Length} call=${call} />${call.end_reason && `, ${words(call.end_reason)}`}
  `;
  const title = call.erased_at
    ? html`A call of <bdi>${agent.name}</bdi>`
    : html`<bdi>${agent.name}</bdi> and <bdi>${first.identity}</bdi>${others}`;
  const tab = call.erased_at ? `A call of ${agent.name}` : `${agent.name} and ${first.identity}${others || ""}`;
  return html`<${Head} ...${{ title, tab, about }} actions=${html`<${Actions} ...${{ call, again }} />`} />`;
}

function Actions({ call, again }) {
  const listening = useListening();
  const at = `/v1/calls/${call.id}`;
  const end = async () => {
    const detail = "The agent and everybody in it are cut off.";
    if (!(await confirm("End this call?", { action: "End the call", detail }))) return;
    try {
      await post(`${at}/end`);
    } catch (error) {
      if (error.code !== "call_over") throw error; // somebody was quicker
    }
    again();
  };
  const analyse = async () => {
    await post(`${at}/reprocess`);
    tell("The call is looked at once more, with the agent's settings of now.");
    again();
  };
  const erase = async () => {
    const detail = "Transcript, results, recording and the names of who was there are gone for good. What it cost stays.";
    if (!(await confirm("Erase this call?", { action: "Erase", detail }))) return;
    await remove(at).catch((error) => {
      throw error.code === "call_running" ? new ApiError(409, "The agent still writes what was said last. Try again in a moment.") : error;
    });
    tell("The call was erased.");
    again();
  };
  if (!isOver(call)) {
    return html`
      ${call.status === "in_progress" && html`<${Listen} ...${{ call, listening }} />`}
      <${Action} class="danger" work=${end}>End<//>
    `;
  }
  if (call.erased_at) return null;
  return html`
    <div class="actions">
      ${call.status === "completed" && call.started_at && !call.transcript.erased_at && html`<${Action} work=${analyse}>Analyse again<//>`}
      <${Action} work=${erase}>Erase<//>
    </div>
  `;
}

/** How long it was, or is by now. */
function Length({ call: { started_at: started, ended_at: ended } }) {
  const [now, setNow] = useState(Date.now);
  const runs = Boolean(started && !ended);
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [runs]);
  if (!started) return null;
  return html`, <span class="number">${duration(((ended ? Date.parse(ended) : now) - Date.parse(started)) / 1000)}</span>`;
}
