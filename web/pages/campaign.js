// One campaign: how far it is, what it waits for, who was not called, and its end before its time.

import { html } from "../preact.js";
import { get, post } from "../api.js";
import { count, plural, words } from "../format.js";
import { Action } from "../parts/action.js";
import { AgentLink, useAgents } from "../parts/agents.js";
import { confirm } from "../parts/dialog.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { tell } from "../parts/notices.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { useCallsChanging } from "./campaigns/changes.js";
import { over, Progress, State } from "./campaigns/progress.js";

const HELD_UP = {
  line: "All your phone lines are in use: the next call waits for one.",
  seat: "All seats of the workers are taken: the next call waits for one.",
  worker: "No worker is running: nobody is called until one is.",
};
const FAILURES = [
  { name: "Why", show: ([reason]) => words(reason) },
  { name: "Calls", number: true, show: ([, calls]) => count(calls) },
];
const REJECTED = [
  { name: "Number", show: ({ identity }) => html`<bdi>${identity}</bdi>` },
  { name: "Why", show: ({ error }) => error },
];

export default function Campaign({ batch: id }) {
  const path = `/v1/calls/batch/${encodeURIComponent(id)}`;
  const agents = useAgents();
  const loaded = useLoaded((signal) => get(path, {}, { signal }), [id]);
  const batch = loaded.data;
  const failures = Object.entries(batch?.failures ?? {}).sort(([, one], [, other]) => other - one);
  useCallsChanging(batch && over(batch) < batch.calls, (call) => call.metadata.batch_id === id, loaded.reload);
  const cancel = async () => {
    const detail = `${plural(batch.counts.queued, "call that waits is", "calls that wait are")} never dialled. Who is being called, or talks, is not cut off.`;
    if (!(await confirm("Cancel this campaign?", { action: "Cancel it", detail }))) return;
    await post(`${path}/cancel`);
    tell("The campaign is canceled.");
    loaded.reload();
  };
  return html`
    <div>
      <${Head} tab=${id} title=${html`${id} ${batch && html`<${State} batch=${batch} />`}`}
        actions=${html`
          ${batch && html`<a class="button" href="/calls?${new URLSearchParams({ batch_id: id })}">Its calls</a>`}
          ${batch?.status === "in_progress" && html`<${Action} work=${cancel}>Cancel the campaign<//>`}
        `} />
      <${Loading} ...${loaded} />
      ${batch && html`
        <div class="card after" aria-live="polite">
          <${Progress} batch=${batch} />
          ${batch.waiting_for && html`<p>${HELD_UP[batch.waiting_for] ?? `It waits for ${words(batch.waiting_for)}.`}</p>`}
          <dl class="facts">
            <div><dt>Calls</dt><dd>${count(batch.calls)}</dd></div>
            <div><dt>Rejected</dt><dd>${count(batch.rejected)}</dd></div>
            <div><dt>Agent</dt><dd><${AgentLink} id=${batch.agent_id} agents=${agents.data} /></dd></div>
            <div><dt>Begun</dt><dd><${Moment} of=${batch.created_at} /></dd></div>
            ${batch.canceled_at && html`<div><dt>Canceled</dt><dd><${Moment} of=${batch.canceled_at} /></dd></div>`}
            ${batch.completed_at && html`<div><dt>Over</dt><dd><${Moment} of=${batch.completed_at} /></dd></div>`}
          </dl>
        </div>
        ${failures.length > 0 && html`
          <section class="stack"><h2>Failed</h2>
            <${Table} label="Why calls failed" columns=${FAILURES} rows=${failures} keyOf=${([reason]) => reason}
              link=${([reason]) => `/calls?${new URLSearchParams({ batch_id: id, end_reason: reason, status: "failed" })}`} />
          </section>
        `}
        ${batch.rejected_recipients.length > 0 && html`
          <section class="stack"><h2>Rejected</h2>
            <${Table} label="Rejected recipients" columns=${REJECTED} rows=${batch.rejected_recipients} keyOf=${({ identity, code }) => `${identity} ${code}`} />
          </section>
        `}
      `}
    </div>
  `;
}
