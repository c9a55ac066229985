// The figures of each day and agent as a table for spreadsheets.

import { get } from "../../api.js";

const HEAD = ["day", "agent_id", "agent", "calls", "completed", "failed", "minutes", "cost", "answers", "p50_ms", "p95_ms", "failures"];

export async function download(wanted, agents = []) {
  const usage = await get("/v1/usage", { ...wanted, group_by: "day,agent" });
  const names = new Map(agents.map(({ id, name }) => [id, name]));
  const rows = usage.groups.map((group) => [
    ...[group.day, group.agent_id, names.get(group.agent_id) ?? "", group.calls, group.completed, group.failed, group.minutes, group.cost],
    ...[group.answers.count, group.answers.p50_ms ?? "", group.answers.p95_ms ?? ""],
    Object.entries(group.failures).map(([reason, calls]) => `${reason} ${calls}`).join(", "),
  ]);
  const text = [HEAD, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\uFEFF", text, "\r\n"], { type: "text/csv" }));
  link.download = `usage ${usage.from_day} to ${usage.to_day}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Quoted where it must be; what a spreadsheet would take for a formula is text. */
function cell(value) {
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
