// Usage: what calls came to, by day and agent.

import { html } from "../preact.js";
import { get } from "../api.js";
import { setQuery, useAddress } from "../router.js";
import { Action } from "../parts/action.js";
import { NoNames, useAgentNames, withChosen } from "../parts/agent-names.js";
import { DayField } from "../parts/day-field.js";
import { ChoiceField, faultsOf } from "../parts/field.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { Head } from "../parts/page.js";
import { Charts } from "./usage/charts.js";
import { everyDay } from "./usage/days.js";
import { download } from "./usage/download.js";
import { Failures } from "./usage/failures.js";
import { Figures } from "./usage/figures.js";
import { ByAgent, ByDay } from "./usage/tables.js";

export default function Usage() {
  const { query } = useAddress();
  const wanted = { from_day: query.get("from") ?? "", to_day: query.get("to") ?? "", agent_id: query.get("agent_id") ?? "" };
  const { agents, error, reload, nameOf } = useAgentNames();
  const days = useLoaded((signal) => get("/v1/usage", wanted, { signal }), Object.values(wanted));
  const byAgent = useLoaded((signal) => get("/v1/usage", { ...wanted, group_by: "agent" }, { signal }), Object.values(wanted));
  const usage = days.data;
  const isRangeWrong = Boolean(faultsOf(days.error).from_day);
  return html`
    <div>
      <${Head} title="Usage" about="What calls came to. Each counts on the day (UTC) on which it was asked for, once it is over."
        actions=${html`<${Action} work=${() => download(wanted, agents)} disabled=${!usage || usage.groups.length === 0}>Download CSV<//>`} />
      <div class="inline">
        <${DayField} label="From" fault=${isRangeWrong && "Choose a day before the last one, at most 366 days in all."}
          value=${wanted.from_day || (usage?.from_day ?? "")} onValue=${(day) => setQuery({ from: day })} />
        <${DayField} label="To" value=${wanted.to_day || (usage?.to_day ?? "")} onValue=${(day) => setQuery({ to: day })} />
        <${ChoiceField} label="Agent" options=${[["", "all agents"], ...withChosen(wanted.agent_id, agents, nameOf)]} value=${wanted.agent_id}
          onValue=${(id) => setQuery({ agent_id: id })} />
      </div>
      ${error && html`<${NoNames} ...${{ error, reload }} />`}
      ${!isRangeWrong && html`<${Loading} ...${days} />`}
      ${usage && html`
        <div aria-busy=${days.isLoading} class=${days.isStale ? "stale" : null}>
          <${Figures} total=${usage.total} />
          ${usage.total.calls === 0
            ? html`<p class="empty">No call was over in these days. Choose other days, or <a href="/agents">talk to an agent</a>.</p>`
            : html`
                <div>
                  <div class="columns stack">
                    <${Charts} days=${everyDay(usage)} />
                    <${Failures} total=${usage.total} />
                  </div>
                  ${byAgent.data ? html`<${ByAgent} groups=${byAgent.data.groups} agents=${agents} />` : html`<${Loading} ...${byAgent} />`}
                  <${ByDay} groups=${usage.groups} agentId=${wanted.agent_id} />
                </div>
              `}
        </div>
      `}
    </div>
  `;
}
