// A new campaign: a table of people, what its columns are, and the agent that calls them.

import { html, useMemo, useState } from "../preact.js";
import { get } from "../api.js";
import { useLeaveGuard } from "../router.js";
import { count, plural } from "../format.js";
import { FormFault, Submit, useSending } from "../parts/action.js";
import { agentOptions, useAgents } from "../parts/agents.js";
import { confirm } from "../parts/dialog.js";
import { ChoiceField, faultsOf, SwitchField, TextField } from "../parts/field.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { Head } from "../parts/page.js";
import { parse } from "./campaigns/csv.js";
import { Mapping } from "./campaigns/mapping.js";
import { PhonesNow, phonesProblem } from "./campaigns/phones.js";
import { guess, hasHead, PHONE, recipientsOf, twice } from "./campaigns/recipients.js";
import { Refused } from "./campaigns/refused.js";
import { batchIds, send, UNSENT } from "./campaigns/send.js";
import { Sent } from "./campaigns/sent.js";
import { Source } from "./campaigns/source.js";

export default function NewCampaign() {
  const agents = useAgents();
  const numbers = useLoaded((signal) => get("/v1/numbers", { limit: 200 }, { signal }), []);
  const [sent, setSent] = useState(null);
  return html`
    <div>
      <${Head} title="New campaign" about="Everybody in a table is called by one agent, as lines and workers are free." />
      ${!sent && html`<${PhonesNow} />`}
      <${Loading} ...${agents} />
      ${agents.data?.length === 0 && html`<p class="empty">There is no agent yet that could call. <a href="/agents/new">Create one</a> first.</p>`}
      ${agents.data?.length > 0 && !sent && html`<${Form} agents=${agents.data} numbers=${numbers.data?.numbers ?? []} onSent=${setSent} />`}
      ${sent && html`<${Sent} sent=${sent} />`}
    </div>
  `;
}

const TAKEN = "batch_exists";
const FIELDS = ["batch_id", "agent_id", "from_number"];

function Form({ agents, numbers, onSent }) {
  const [form, setForm] = useState({ name: "", agent: agents[0].id, from: "" });
  const [table, setTable] = useState({ text: "", rows: [], isHead: false, columns: [] });
  const [sent, setSent] = useState(UNSENT);
  const change = (name) => (value) => setForm((before) => ({ ...before, [name]: value }));
  const setHead = (isHead) => setTable((before) => ({ ...before, isHead, columns: guess(before.rows, isHead) }));
  const load = (text, file) => {
    const { rows, fault } = parse(text);
    const isHead = hasHead(rows);
    const isEmptyFile = file !== null && rows.length === 0 && !fault;
    setTable({ text, rows, fault, isEmptyFile, isHead, columns: guess(rows, isHead) });
    setForm((before) => ({ ...before, name: before.name || named(file) }));
  };
  const body = table.isHead ? table.rows.slice(1) : table.rows;
  const { recipients, refused } = useMemo(() => recipientsOf(body, table.columns), [table]);
  const waiting = recipients.length - sent.count;
  const sending = useSending(async () => {
    const question = `Call ${plural(waiting, "person", "people")} now?`;
    const problem = await phonesProblem();
    const detail = problem ? `Phone calls do not work now: ${problem} As long as that is so, these calls fail or wait.` : "The first ones are dialled within seconds.";
    if (!(await confirm(question, { action: "Call them", detail, danger: Boolean(problem) }))) return;
    const name = form.name.trim();
    const done = await send({ name, agentId: form.agent, recipients, from: form.from }, sent, setSent);
    onSent({ ...done, refused, problem });
  });
  useLeaveGuard(sending.isBusy ? mayLeave : null);
  const faults = faultsOf(sending.error);
  const callerIds = [["", "the first of your numbers"], ...numbers.map(({ number }) => [number, number])];
  const parts = batchIds(form.name, recipients).length;
  return html`
    <form onSubmit=${sending.send}>
      ${sent.count === 0 && html`<${Source} ...${table} onTable=${load} />`}
      ${sent.count === 0 && table.rows.length > 0 && html`
        <section class="stack">
          <h2>${plural(body.length, "row")}</h2>
          <${SwitchField} label="The first row names the columns" value=${table.isHead} onValue=${setHead} />
          <${Mapping} rows=${body} columns=${table.columns} onColumns=${(columns) => setTable((before) => ({ ...before, columns }))} />
          ${!table.columns.some(({ use }) => use === PHONE) && html`<p class="fault" role="alert">Say which column has the phone numbers.</p>`}
        </section>
      `}
      <${Refused} rows=${refused} title="row" />
      <div class="fields">
        <${TextField} label="Name" help="Each name is used once: the same campaign again calls nobody twice."
          fault=${sending.error?.code === TAKEN ? "There is another campaign of this name." : faults.batch_id}
          required maxlength="80" value=${form.name} onValue=${change("name")} />
        <${ChoiceField} label="Agent" options=${agentOptions(agents)} fault=${faults.agent_id} value=${form.agent} onValue=${change("agent")} />
        <${ChoiceField} label="Caller ID" options=${callerIds} fault=${faults.from_number} value=${form.from} onValue=${change("from")} />
      </div>
      ${sending.error && sent.count > 0 && html`
        <p class="fault" role="alert">${count(sent.count)} of ${plural(recipients.length, "person", "people")} are sent and called, as ${sent.ids.join(", ")}. The
          rest ${sending.error.status === 0 ? "got no answer: send it again under the same name, and nobody is called twice." : "was refused, and only that is sent again."}</p>
      `}
      <${FormFault} error=${sending.error} fields=${FIELDS} />
      ${parts > 1 && html`<p class="help">They are sent in ${parts} batches, each of which is shown by itself.</p>`}
      <p class="buttons">
        ${sending.isBusy && sent.count > 0 && html`<span role="status">${count(sent.count)} of ${count(recipients.length)} sent</span>`}
        <a class="button" href="/campaigns">Cancel</a>
        <${Submit} isBusy=${sending.isBusy} disabled=${!sending.isBusy && (waiting === 0 || twice(table.columns).size > 0)}>
          ${waiting === 0 ? "Nobody to call yet" : `Call ${plural(waiting, "person", "people")}`}
        <//>
      </p>
    </form>
  `;
}

function mayLeave() {
  return confirm("Leave while the campaign is sent?", { action: "Leave", detail: "It goes on, but nobody tells you here if a part of it is refused." });
}

function named(file) {
  const now = new Date();
  const two = (number) => String(number).padStart(2, "0");
  const time = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}:${two(now.getMinutes())}`;
  return `${(file || "Campaign").slice(0, 60)} ${time}`;
}
