// The numbers that nobody calls: listed, added to, asked, taken off.

import { html, useState } from "../../preact.js";
import { get, post, remove } from "../../api.js";
import { plural } from "../../format.js";
import { Action, FormFault, Submit, useSending } from "../../parts/action.js";
import { Badge } from "../../parts/badge.js";
import { confirm, Dialog } from "../../parts/dialog.js";
import { faultsOf, LongField, TextField } from "../../parts/field.js";
import { Loading, usePages } from "../../parts/loaded.js";
import { Moment } from "../../parts/moment.js";
import { tell } from "../../parts/notices.js";
import { Table } from "../../parts/table.js";

const LIMIT = 50;
const MOST = 1000; // numbers that the API takes at once

export function DoNotCall() {
  const list = usePages(page, []);
  const [isAdding, setAdding] = useState(false);
  const added = () => {
    setAdding(false);
    list.reload();
  };
  const columns = [
    { name: "Number", show: (entry) => entry.phone_number },
    { name: "Why", show: (entry) => entry.reason },
    { name: "Since", show: (entry) => html`<${Moment} of=${entry.created_at} />` },
    { name: "", show: (entry) => html`<${TakeOff} entry=${entry} onDone=${list.reload} />` },
  ];
  return html`
    <section class="stack">
      <div class="head">
        <div><h2>Do not call</h2><p>No call is ever placed to these numbers. They may call you.</p></div>
        <div class="actions"><button type="button" onClick=${() => setAdding(true)}>Add numbers</button></div>
      </div>
      <${Check} />
      <${Loading} ...${list} data=${list.rows} />
      ${list.rows && html`<${Table} label="Do-not-call list" columns=${columns} rows=${list.rows} keyOf=${(row) => row.phone_number} more=${list.more}
        empty="Nobody is on the list. Add who asks not to be called." />`}
      ${isAdding && html`<${Add} onClose=${() => setAdding(false)} onAdded=${added} />`}
    </section>
  `;
}

function Check() {
  const [number, setNumber] = useState("");
  const [found, setFound] = useState(null);
  const { send, isBusy, error } = useSending(async () => {
    setFound(null);
    const { results } = await post("/v1/dnc/check", { phone_numbers: [number] });
    setFound(results[0]);
  });
  const fault = Object.values(faultsOf(error))[0];
  return html`
    <form class="inline" onSubmit=${send}>
      <${TextField} label="Is a number on the list?" type="tel" placeholder="+15551234567" required fault=${fault} value=${number} onValue=${setNumber} />
      <${Submit} isBusy=${isBusy} class=${null}>Check<//>
      <p role="status">${found && html`${found.phone_number} <${Badge} mood=${found.blocked ? "warn" : "good"}>${found.blocked ? "is on the list" : "may be called"}<//>`}</p>
      ${error && !fault && html`<${FormFault} error=${error} />`}
    </form>
  `;
}

function Add({ onClose, onAdded }) {
  const [form, setForm] = useState({ numbers: "", reason: "" });
  const [invalid, setInvalid] = useState([]);
  const { send, isBusy, error } = useSending(async () => {
    const numbers = form.numbers.split(/[\n,;]+/).map((text) => text.trim()).filter(Boolean);
    const refused = [];
    let count = 0;
    for (let start = 0; start < numbers.length; start += MOST) {
      const answer = await post("/v1/dnc/batch", { phone_numbers: numbers.slice(start, start + MOST), ...(form.reason ? { reason: form.reason } : {}) });
      count += answer.added;
      refused.push(...answer.invalid);
    }
    tell(`${plural(count, "number is", "numbers are")} new on the list.`);
    if (refused.length === 0) onAdded();
    setInvalid(refused);
    setForm({ ...form, numbers: refused.join("\n") });
  });
  const faults = faultsOf(error);
  const fault = invalid.length > 0 ? `${plural(invalid.length, "line is", "lines are")} no phone number with a country code: mend or remove them.` : faults.phone_numbers;
  return html`
    <${Dialog} title="Add numbers" onClose=${invalid.length > 0 ? onAdded : onClose}>
      <form onSubmit=${send}>
        <${LongField} label="Numbers" help="With their country codes, one a line." fault=${fault} required autofocus
          value=${form.numbers} onValue=${(text) => setForm({ ...form, numbers: text })} />
        <${TextField} label="Why" fault=${faults.reason} value=${form.reason} onValue=${(text) => setForm({ ...form, reason: text })} />
        <${FormFault} error=${error} fields=${["phone_numbers", "reason"]} />
        <p class="buttons">
          <button type="button" onClick=${invalid.length > 0 ? onAdded : onClose}>Cancel</button>
          <${Submit} isBusy=${isBusy}>Add to the list<//>
        </p>
      </form>
    <//>
  `;
}

function TakeOff({ entry, onDone }) {
  const takeOff = async () => {
    const detail = "Calls to it can be placed again. Do so only if whoever has the number agreed.";
    if (!(await confirm(`Take ${entry.phone_number} off the list?`, { action: "Take off", detail }))) return;
    await remove(`/v1/dnc/${encodeURIComponent(entry.phone_number)}`);
    tell(`${entry.phone_number} is off the list.`);
    onDone();
  };
  return html`<${Action} work=${takeOff} aria-label="Take off ${entry.phone_number}">Take off<//>`;
}

async function page(offset, signal) {
  const { entries, total } = await get("/v1/dnc", { limit: LIMIT, offset }, { signal });
  const end = (offset ?? 0) + entries.length;
  return { rows: entries, next: end < total ? end : null };
}
