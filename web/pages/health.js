// Health: which processes live, how busy the workers are, who of the providers does not work, what was given up.

import { html, useEffect, useRef } from "../preact.js";
import { get } from "../api.js";
import { count, plural, words } from "../format.js";
import { Badge } from "../parts/badge.js";
import { Loading, useLoaded, usePages } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { Providers } from "./health/providers.js";
import { Queue } from "./health/queue.js";

const LIMIT = 50;
const AGAIN_MS = 10_000; // no stream tells how processes are; nobody's page asks while it is hidden
const MISSING = {
  worker: "No worker lives: a call gets no agent.",
  pipeline: "No pipeline lives: nobody is dialled, and nothing happens after a call.",
};

export default function Health() {
  const health = useLoaded(load, []);
  const dead = usePages(deadJobs, []);
  const isShort = useRef(true); // who has turned over pages keeps them
  isShort.current = !dead.rows || dead.rows.length <= LIMIT;
  useEffect(() => {
    const look = () => {
      if (document.hidden) return;
      health.reload();
      if (isShort.current) dead.reload();
    };
    const timer = setInterval(look, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return html`
    <div>
      <${Head} title="Health" about="Whether everything is there that calls need." />
      <${Loading} ...${health} />
      ${health.data && html`<${Shown} ...${health.data} />`}
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

function Shown({ health, queue }) {
  const problems = [
    ...health.missing.map((kind) => MISSING[kind]),
    ...(health.livekit ? [] : ["LiveKit does not answer: no call can begin."]),
  ];
  const others = health.processes.filter(({ version }) => version !== health.version);
  return html`
    <div>
      <div class="card stack" role="status">
        <p><${Badge} of=${health.status}>${health.status === "ok" ? "everything works" : "something is wrong"}<//></p>
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
    show: ({ taken, seats }) => html`
      <span>
        <meter aria-label="Load" min="0" max=${seats} high=${seats * 0.9} value=${taken}></meter>
        ${" "}${taken >= seats ? "full" : `${plural(seats - taken, "seat")} free`}
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
  return { health, queue };
}

async function deadJobs(offset, signal) {
  const { jobs, total } = await get("/v1/jobs/dead", { limit: LIMIT, offset }, { signal });
  const end = (offset ?? 0) + jobs.length;
  return { rows: jobs, next: end < total ? end : null };
}
