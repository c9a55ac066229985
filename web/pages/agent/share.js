// The link by which anybody talks to the agent, and its limits.

import { html, useState } from "../../preact.js";
import { get, post, put } from "../../api.js";
import { Action, FormFault, Submit, useSending } from "../../parts/action.js";
import { Copyable } from "../../parts/copy.js";
import { confirm } from "../../parts/dialog.js";
import { NumberField, SwitchField, faultsOf } from "../../parts/field.js";
import { Loading, useLoaded } from "../../parts/loaded.js";
import { tell } from "../../parts/notices.js";
import { useUnsaved } from "../../parts/unsaved.js";
import { variablesOf } from "../../parts/variables.js";

const LIMITS = [
  ["minutes_limit", "Minutes in all"],
  ["max_call_seconds", "Seconds of one call"],
  ["max_concurrent", "Calls at once"],
  ["calls_per_ip_hour", "Calls of one address in an hour"],
];

export function Share({ agent }) {
  const { data, setData, ...loading } = useLoaded((signal) => get(`/v1/agents/${agent.id}/testers`, {}, { signal }), [agent.id]);
  const path = `/v1/agents/${agent.id}/share-link`;
  const make = async () => setData({ ...data, link: await put(path, {}) });
  const renew = async () => {
    const detail = "The address of now stops working at once, also for those who have it.";
    if (!(await confirm("Give the link another address?", { action: "Another address", detail }))) return;
    setData({ ...data, link: await post(`${path}/regenerate`) });
    tell("The link has another address.");
  };
  return html`
    <section class="card beneath" aria-labelledby="share-link">
      <h2 id="share-link">Share link</h2>
      <p class="quiet">A page on which anybody talks to this agent, within limits.</p>
      <${Loading} data=${data} ...${loading} />
      ${data && (data.link
        ? html`<${Link} link=${data.link} ...${{ agent, path, renew }} onSaved=${(link) => setData({ ...data, link })} />`
        : html`<p><${Action} work=${make}>Make a link<//></p>`)}
    </section>
  `;
}

function Link({ link, agent, path, renew, onSaved }) {
  const [values, setValues] = useState({}); // of the limits that are not as they are saved
  useUnsaved(Object.keys(values).length > 0);
  const { isBusy, error, send } = useSending(async () => {
    onSaved(await put(path, values));
    // What was typed while it was on its way is still to be saved.
    setValues((now) => Object.fromEntries(Object.entries(now).filter(([name, value]) => value !== values[name])));
    tell("The link is saved.");
  });
  const isChanged = Object.keys(values).length > 0;
  const submit = (submitted) => (isChanged ? send(submitted) : submitted.preventDefault());
  const now = { ...link, ...values };
  const change = (name, value) => setValues({ ...values, [name]: value });
  const holes = variablesOf(agent).filter(({ fallback }) => fallback === null);
  return html`
    <form onSubmit=${submit} novalidate>
      <${Copyable} label="Address of the link" text=${link.url} />
      <p class="help after">${link.minutes_used} of ${link.minutes_limit} minutes are used.</p>
      ${holes.length > 0 && html`<p class="fault">Its visitors give no variables: ${holes.map(({ name }) => name).join(", ")} would be spoken as a hole. Give a default in the agent's words.</p>`}
      <${SwitchField} label="The link works" value=${now.enabled} onValue=${(enabled) => change("enabled", enabled)} />
      <div class="fields">
        ${LIMITS.map(
          ([name, label]) => html`
            <${NumberField} key=${name} label=${label} step="1" min="1" value=${now[name]} fault=${faultsOf(error)[name]} onValue=${(value) => change(name, value)} />
          `,
        )}
      </div>
      <${FormFault} error=${error} fields=${LIMITS.map(([name]) => name)} />
      <p class="actions">
        <${Submit} isBusy=${isBusy || !isChanged}>Save the link<//>
        <${Action} work=${renew}>Another address<//>
      </p>
    </form>
  `;
}
