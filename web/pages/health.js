// Health: which processes live, how busy the workers are, who of the providers does not work, what was given up.

import { html, useEffect, useState } from "../preact.js";
import { get } from "../api.js";
import { count, plural, words } from "../format.js";
import { useAskingAgain } from "../parts/again.js";
import { Badge } from "../parts/badge.js";
import { Loading, useLoaded, usePages } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Providers } from "./health/providers.js";
import { Queue } from "./health/queue.js";

const LIMIT = 50;
const AGAIN = { firstMs: 10_000 }; // no stream tells how processes are
const OLD_MS = 15_000; // an answer that is late by so much may never come
const MISSING = {
  worker: "No worker lives: a call gets no agent.",
  pipeline: "No pipeline lives: nobody is dialled, and nothing happens after a call.",
};

export default function Health() {
  const health = useLoaded(load, []);
  const dead = usePages(deadJobs, []);
  const isShort = !dead.rows || dead.rows.length <= LIMIT; // of many pages none is fetched all the time
  const isOld = useIsOld(health.data);
  useAskingAgain(true, health.isLoading, health.reload, AGAIN);
  useAskingAgain(isShort, dead.isLoading, dead.reload, AGAIN);
  return html`
    <div>
      <${Head} title="Health" about="Whether everything is there that calls need." />
      <${Loading} ...${health} />
      ${health.data && html`<${Shown} ...${health.data} isOld=${isOld || health.error} />`}
      <section class="stack">
        <h2>Given up</h2>
        <p class="quiet after">Work whose every attempt failed in the last seven days. What is missing of a call can be asked for again on
          its page.</p>
        <${Loading} ...${dead} data=${dead.rows} />
        ${dead.rows && html`<${Table} label="Jobs that were given up" columns=${DEAD} rows=${dead.rows} more=${dead.more}
          empty="Nothing was given up. There is nothing to do." />`}
      </section>
    </div>
  `;
}

/** Whether these data were fetched so long ago that they tell nothing of now. */
function useIsOld(data) {
  const [old, setOld] = useState(null);
  useEffect(() => {
    const timer = setTimeout(() => setOld(data), OLD_MS);
    return () => clearTimeout(timer);
  }, [data]);
  return data !== undefined && old === data;
}

function Shown({ health, queue, at, isOld }) {
  const problems = [
    ...health.missing.map((kind) => MISSING[kind]),
    ...(health.livekit ? [] : ["LiveKit does not answer: no call can begin."]),
  ];
  const others = health.processes.filter(({ version }) => version !== health.version);
  return html`
    <div>
      <div class="card stack" role="status">
        ${isOld
          ? html`<p><${Badge} mood="warn">not known<//> Callroom does not say how it is. What stands here is as of <${Moment} of=${at} />.</p>`
          : html`<p><${Badge} of=${health.status}>${health.status === "ok" ? "everything works" : "something is wrong"}<//></p>`}
        ${problems.map((problem) => html`<p class="fault">${problem}</p>`)}
        <p>Version ${health.version}${others.length > 0 && `, and another one in ${plural(others.length, "process", "processes")}`}</p>
      </div>
      <section class="stack">
        <h2>Workers</h2>
        <${Table} label="Workers" columns=${WORKERS} rows=${health.workers} empty="No worker takes calls. Start one: python -m worker start." />
      </section>
      <section class="stack">
        <h2>Providers</h2>
        <${Providers} providers=${health.providers} />
      </section>
      <section class="stack">
        <h2>Phone calls that wait</h2>
        <${Queue} queue=${queue} />
      </section>
      <section class="stack">
        <h2>Processes</h2>
        <${Table} label="Processes" columns=${PROCESSES} rows=${health.processes} keyOf=${({ host, pid }) => `${host} ${pid}`} />
      </section>
    </div>
  `;
}

const WORKERS = [
  { name: "Worker", show: ({ id }) => html`<code>${id}</code>` },
  { name: "Calls", number: true, show: ({ taken }) => count(taken) },
  { name: "Seats", number: true, show: ({ seats }) => count(seats) },
  {
    name: "Load",
    show: ({ taken, seats, strained }) => html`
      <span>
        <meter aria-label="Load" min="0" max=${seats} high=${seats * 0.9} value=${taken}></meter>
        ${" "}${taken >= seats ? "full" : `${plural(seats - taken, "seat")} free`}
        ${strained && html` <${Badge} mood="warn">does not keep up<//>`}
      </span>
    `,
  },
];

const PROCESSES = [
  { name: "Process", show: ({ kind }) => kind },
  { name: "Version", show: ({ version }) => version ?? "an earlier one" },
  { name: "Host", show: ({ host }) => host },
  { name: "PID", number: true, show: ({ pid }) => pid },
  { name: "Runs since", show: ({ began_at: at }) => html`<${Moment} of=${at} />` },
];

const DEAD = [
  { name: "Work", show: ({ kind }) => words(kind) },
  { name: "Why", show: ({ error }) => error },
  { name: "Call", show: ({ call_id: id }) => id && html`<a href="/calls/${id}">${id.slice(0, 8)}</a>` },
  { name: "Attempts", number: true, show: ({ attempts }) => attempts },
  { name: "Given up", show: ({ finished_at: at }) => html`<${Moment} of=${at} />` },
];

async function load(signal) {
  const [health, queue] = await Promise.all([get("/v1/health", {}, { signal }), get("/v1/calls/queue/stats", {}, { signal })]);
  return { health, queue, at: new Date().toISOString() };
}

async function deadJobs(offset, signal) {
  const { jobs, total } = await get("/v1/jobs/dead", { limit: LIMIT, offset }, { signal });
  const end = (offset ?? 0) + jobs.length;
  return { rows: jobs, next: end < total ? end : null };
}
