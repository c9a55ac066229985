// The figures as tables: of each agent, and of each day.

import { html } from "../../preact.js";
import { count, money } from "../../format.js";
import { AgentLink } from "../../parts/agents.js";
import { Table } from "../../parts/table.js";
import { height, write } from "./answers.js";
import { dayAfter, dayName } from "./days.js";

const FIGURES = [
  { name: "Calls", number: true, show: (group) => count(group.calls) },
  { name: "Failed", number: true, show: (group) => count(group.failed) },
  { name: "Minutes", number: true, show: (group) => count(Math.round(group.minutes)) },
  { name: "Cost", number: true, show: (group) => money(group.cost) },
  { name: "Half within", number: true, show: ({ answers }) => write(height(answers, answers.p50_ms)) },
  { name: "95 % within", number: true, show: ({ answers }) => write(height(answers, answers.p95_ms)) },
];

export function ByAgent({ groups, agents }) {
  const columns = [{ name: "Agent", show: (group) => html`<${AgentLink} id=${group.agent_id} agents=${agents} />` }, ...FIGURES];
  const rows = [...groups].sort((one, other) => other.calls - one.calls);
  return html`<section class="stack"><h2>By agent</h2><${Table} label="Usage by agent" columns=${columns} rows=${rows} keyOf=${(group) => group.agent_id} /></section>`;
}

export function ByDay({ groups, agentId }) {
  const columns = [{ name: "Day", show: (group) => dayName(group.day) }, ...FIGURES];
  const rows = [...groups].reverse();
  const link = ({ day }) => `/calls?${new URLSearchParams({ created_from: day, created_to: dayAfter(day), ...(agentId ? { agent_id: agentId } : {}) })}`;
  return html`<section class="stack"><h2>By day</h2><${Table} label="Usage by day" columns=${columns} rows=${rows} keyOf=${(group) => group.day} link=${link} /></section>`;
}
