// Days as the API names them: `2026-03-01`, in UTC.

const DAY_MS = 86_400_000;
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

/** The figures of each day from the first to the last, also of those without calls. */
export function everyDay({ from_day: first, to_day: last, groups }) {
  const known = new Map(groups.map((group) => [group.day, group]));
  const days = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.push(known.get(day) ?? { day, calls: 0, completed: 0, failed: 0, minutes: 0, cost: 0, answers: { count: 0, p50_ms: null, p95_ms: null } });
  }
  return days;
}

export function dayName(day) {
  return SHORT.format(new Date(day));
}

export function dayAfter(day) {
  return new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);
}
