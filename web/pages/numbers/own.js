// The numbers of one's own, and the agent that answers each.

import { html, useRef, useState } from "../../preact.js";
import { get, post, remove } from "../../api.js";
import { Action, FormFault, Submit, useSending } from "../../parts/action.js";
import { agentOptions, ChoiceInRow, useAgents } from "../../parts/agents.js";
import { confirm, Dialog } from "../../parts/dialog.js";
import { ChoiceField, faultsOf, TextField } from "../../parts/field.js";
import { Loading, usePages } from "../../parts/loaded.js";
import { Moment } from "../../parts/moment.js";
import { attempt, tell } from "../../parts/notices.js";
import { Table } from "../../parts/table.js";

const LIMIT = 50;
const NOBODY = ["", "nobody"];

export function OwnNumbers() {
  const agents = useAgents();
  const list = usePages(page, []);
  const [isNew, setNew] = useState(false);
  const saved = (number) => {
    setNew(false);
    tell(`${number} is added.`);
    list.reload();
  };
  const columns = [
    { name: "Number", show: (number) => number.number },
    { name: "Answered by", show: (number) => html`<${Answers} number=${number} agents=${agents.data} onChange=${list.reload} />` },
    { name: "Since", show: (number) => html`<${Moment} of=${number.created_at} />` },
    { name: "", show: (number) => html`<${Delete} number=${number} onDeleted=${list.reload} />` },
  ];
  return html`
    <section class="stack">
      <div class="head">
        <div><h2>Your numbers</h2><p>Calls to one of them are answered by its agent; calls out show one of them.</p></div>
        <div class="actions"><button type="button" class="primary" onClick=${() => setNew(true)}>Add a number</button></div>
      </div>
      <${Loading} error=${list.error ?? agents.error} isLoading=${list.isLoading} data=${list.rows} reload=${list.error ? list.reload : agents.reload} />
      ${list.rows && html`<${Table} label="Numbers" columns=${columns} rows=${list.rows} keyOf=${(row) => row.number} more=${list.more}
        empty="No number yet. Add the ones that your provider has given you." />`}
      ${isNew && html`<${NewNumber} agents=${agents.data} onClose=${() => setNew(false)} onSaved=${saved} />`}
    </section>
  `;
}

function Answers({ number, agents, onChange }) {
  const last = useRef(Promise.resolve());
  if (!agents) return null;
  const named = (agentId) => agents.find(({ id }) => id === agentId)?.name;
  const attach = async (agentId) => {
    const went = await attempt(() => post(`/v1/numbers/${encodeURIComponent(number.number)}/attach`, { agent_id: agentId }));
    if (went) tell(html`<bdi>${named(agentId) ?? "Nobody"}</bdi> answers ${number.number}.`);
    onChange();
  };
  // One after the other: the arrow keys choose each agent on the way, and the last one is meant.
  const choose = ({ target }) => (last.current = last.current.then(() => attach(target.value || null)));
  const chosen = number.agent_id ? [number.agent_id, named(number.agent_id) ?? "an agent that was deleted"] : NOBODY;
  const options = () => [NOBODY, ...(named(chosen[0]) || chosen === NOBODY ? [] : [chosen]), ...agentOptions(agents)];
  return html`<${ChoiceInRow} aria-label="Agent that answers ${number.number}" ...${{ chosen, options }} onChange=${choose} />`;
}

function Delete({ number, onDeleted }) {
  const end = async () => {
    const detail = "Nobody answers it any more, and calls out cannot show it. Your provider still has it.";
    if (!(await confirm(`Remove ${number.number}?`, { action: "Remove", detail }))) return;
    await remove(`/v1/numbers/${encodeURIComponent(number.number)}`);
    tell(`${number.number} is removed.`);
    onDeleted();
  };
  return html`<${Action} work=${end} aria-label="Remove ${number.number}">Remove<//>`;
}

function NewNumber({ agents = [], onClose, onSaved }) {
  const [form, setForm] = useState({ number: "", agent: "" });
  const { send, isBusy, error } = useSending(async () => {
    const { number } = await post("/v1/numbers", { number: form.number, ...(form.agent ? { agent_id: form.agent } : {}) });
    onSaved(number);
  });
  const faults = faultsOf(error);
  return html`
    <${Dialog} title="Add a number" onClose=${onClose}>
      <form onSubmit=${send}>
        <${TextField} label="Number" type="tel" help="With its country code, as in +15551234567." fault=${faults.number} required autofocus
          value=${form.number} onValue=${(text) => setForm({ ...form, number: text })} />
        <${ChoiceField} label="Answered by" options=${[NOBODY, ...agentOptions(agents)]} fault=${faults.agent_id} value=${form.agent} onValue=${(id) => setForm({ ...form, agent: id })} />
        <${FormFault} error=${error} fields=${["number", "agent_id"]} />
        <p class="buttons">
          <button type="button" onClick=${onClose}>Cancel</button>
          <${Submit} isBusy=${isBusy}>Add the number<//>
        </p>
      </form>
    <//>
  `;
}

async function page(offset, signal) {
  const { numbers, total } = await get("/v1/numbers", { limit: LIMIT, offset }, { signal });
  const end = (offset ?? 0) + numbers.length;
  return { rows: numbers, next: end < total ? end : null };
}
