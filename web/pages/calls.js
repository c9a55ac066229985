// All calls, those that are over and those that run, as a table.

import { html } from "../preact.js";
import { get, withQuery } from "../api.js";
import { count, duration, money, plural, words } from "../format.js";
import { NoNames, useAgentNames } from "../parts/agent-names.js";
import { Badge } from "../parts/badge.js";
import { faultsOf } from "../parts/field.js";
import { Loading, usePages } from "../parts/loaded.js";
import { Moment } from "../parts/moment.js";
import { Head } from "../parts/page.js";
import { Table } from "../parts/table.js";
import { useAddress } from "../router.js";
import { Filters, clearFilters, fieldOf, isFiltered, wantedOf } from "./calls/filters.js";
import { placeLeft, usePlace } from "./calls/place.js";

const PAGE = 50;
const MOST = 200; // rows that the API gives at once
const MOST_COUNTED = 1000; // with filters the API counts no further
const COLUMNS = [
  { name: "Time", show: ({ created_at: at }) => html`<span class="call-time"><${Moment} of=${at} /></span>` },
  { name: "Agent", show: ({ agent_name: name }) => html`<bdi>${name}</bdi>` },
  { name: "Who", show: (call) => html`<${Who} call=${call} />` },
  { name: "Length", number: true, show: (call) => (call.started_at ? duration(lasted(call)) : "") },
  { name: "End", show: (call) => html`<${End} call=${call} />` },
  { name: "Cost", number: true, show: ({ total_cost: cost, ended_at: ended }) => (ended ? money(cost) : "") },
  { name: "Sentiment", show: ({ sentiment }) => html`<${Badge} of=${sentiment} />` },
  { name: "Passed", show: ({ passed }) => passed !== null && html`<${Badge} mood=${passed ? "good" : "bad"}>${passed ? "passed" : "not passed"}<//>` },
];

export default function Calls() {
  const { query } = useAddress();
  const [wanted, order] = [wantedOf(query), query.get("order") ?? ""];
  const load = async (cursor, signal) => {
    const limit = cursor === null ? Math.min(Math.max(PAGE, placeLeft().count), MOST) : PAGE;
    const { calls, next_cursor: next, total } = await get("/v1/calls", { ...wanted, order, cursor, limit }, { signal });
    return { rows: calls, next, total };
  };
  const pages = usePages(load, [JSON.stringify([wanted, order])]);
  const keep = usePlace(pages.rows);
  const { agents, error, reload, nameOf } = useAgentNames();
  const faults = Object.fromEntries(Object.entries(faultsOf(pages.error)).map(([path, text]) => [fieldOf(path), text]));
  const isRefused = pages.error?.status === 400 && Object.keys(faults).length > 0;
  const download = html`<a class="button" href=${withQuery("/v1/calls.csv", wanted)} download="calls.csv">Download as CSV</a>`;
  return html`
    <div>
      <${Head} title="Calls" about=${!isRefused && about(pages, isFiltered(query))} actions=${!isRefused && download} />
      <${Filters} ...${{ query, faults, agents, nameOf }} />
      ${error && html`<${NoNames} ...${{ error, reload }} />`}
      <div onClickCapture=${keep}>${isRefused ? html`<${Refused} />` : html`<${Found} pages=${pages} isFiltered=${isFiltered(query)} />`}</div>
    </div>
  `;
}

function Refused() {
  return html`<p class="empty" role="alert">A filter is not understood, so nothing is shown: look at what is said at its field.</p>`;
}

function Found({ pages, isFiltered: some }) {
  return html`
    <div class=${pages.isStale && pages.rows ? "stale" : null}>
      ${pages.rows && html`<${Table} label="Calls" columns=${COLUMNS} rows=${pages.rows} link=${({ id }) => `/calls/${id}`}
        more=${pages.more} isLoading=${pages.isLoading} empty=${html`<${Nothing} isFiltered=${some} />`} />`}
      <${Loading} ...${pages} data=${pages.rows} />
    </div>
  `;
}

function Nothing({ isFiltered: some }) {
  if (!some) return html`There was no call yet. <a href="/agents">Talk to an agent</a> and it stands here.`;
  return html`No call is like that. <button type="button" class="plain" onClick=${clearFilters}>Clear the filters</button>`;
}

function Who({ call: { primary_participant: first, participant_count: people, erased_at: erased } }) {
  if (erased) return html`<span class="quiet">erased</span>`;
  return html`
    <span>
      <bdi class="identity">${first.identity}</bdi>
      <span class="quiet"> ${first.transport === "pstn" ? "phone" : "browser"}${people > 1 ? `, and ${plural(people - 1, "other")}` : ""}</span>
    </span>
  `;
}

/** Why it ended, or how far it is. */
function End({ call: { status, end_reason: reason } }) {
  if (status === "completed") return words(reason);
  return status === "failed" ? html`<${Badge} of="failed">${words(reason)}<//>` : html`<${Badge} of=${status} />`;
}

function lasted({ started_at: begun, ended_at: ended, bill_duration: billed }) {
  return ended ? billed : (Date.now() - Date.parse(begun)) / 1000;
}

/** How many there are; the rows of other filters say nothing of that. */
function about({ first, error, isStale }, some) {
  if (isStale) return error ? null : html`<span class="looking" role="status"><span class="spinner" aria-hidden="true"></span>Looking for them …</span>`;
  return first && found(first.total, some);
}

function found(total, some) {
  return some && total > MOST_COUNTED ? `More than ${count(MOST_COUNTED)} calls` : plural(total, "call");
}
