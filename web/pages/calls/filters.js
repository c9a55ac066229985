// Which calls the table has: fields whose values are in the address.

import { html, useEffect, useRef, useState } from "../../preact.js";
import { setQuery } from "../../router.js";
import { exactMoment, words } from "../../format.js";
import { withChosen } from "../../parts/agent-names.js";
import { ChoiceField, TextField } from "../../parts/field.js";

const SETTLED_MS = 350; // after the last letter
const FAST = window.matchMedia("(min-width: 52rem)").matches;

const STATUSES = ["connecting", "queued", "ringing", "in_progress", "completed", "failed"];
const END_REASONS = [
  "agent_hung_up", "agent_lost", "busy", "caller_hung_up", "canceled", "connection_lost", "credits_used_up", "do_not_call",
  "ended_by_api", "error", "invalid_caller_id", "invalid_number", "max_duration", "network_error", "no_agent", "no_answer",
  "no_room", "nobody_joined", "provider_failed", "rejected", "room_deleted", "shut_down", "silence", "telephony_unavailable",
  "transferred", "voicemail",
];
const TRANSPORTS = [["webrtc", "Browser"], ["pstn", "Phone"]];
const NAMES = [
  "words", "participant", "agent_id", "status", "end_reason", "transport", "from", "to", "created_from", "created_to", "batch_id",
];

/** The filters of an address as the API takes them; a day is one of the reader's, unless there are moments. */
export function wantedOf(query) {
  const { from, to, created_from: first, created_to: end, ...others } = given(query);
  return { ...others, created_from: first || startOf(from, 0), created_to: end || startOf(to, 1) };
}

/** The name of a field of the API in the address. */
export function fieldOf(path) {
  return { created_from: "from", created_to: "to" }[path] ?? path;
}

export function isFiltered(query) {
  return NAMES.some((name) => query.get(name));
}

export function clearFilters() {
  setQuery(Object.fromEntries(NAMES.map((name) => [name, ""])));
}

/** @param faults what the API said of each filter, by its name in the address. */
export function Filters({ query, faults, agents, nameOf }) {
  const value = (name) => query.get(name) ?? "";
  const choice = (name, label, options) => html`
    <${ChoiceField} label=${label} fault=${faults[name]} value=${value(name)} options=${[["", "Any"], ...options]}
      onValue=${(chosen) => setQuery({ [name]: chosen })} />
  `;
  const typed = (name, label, more) => html`<${Typed} ...${{ name, label, ...more }} fault=${faults[name]} value=${value(name)} />`;
  const phrases = (names) => names.map((name) => [name, words(name)]);
  return html`
    <details class="card filters" open=${FAST || isFiltered(query)}>
      <summary>Filters</summary>
      <form role="search" aria-label="Calls" class="fields" onSubmit=${(submitted) => submitted.preventDefault()}>
        ${typed("words", "Words said", { type: "search", placeholder: 'late "my order"', maxlength: 200 })}
        ${typed("participant", "Number or identity", { type: "search", placeholder: "+15551234567" })}
        ${choice("agent_id", "Agent", withChosen(value("agent_id"), agents, nameOf))}
        ${choice("status", "Status", phrases(STATUSES))}
        ${choice("end_reason", "End reason", phrases(END_REASONS))}
        ${choice("transport", "Transport", TRANSPORTS)}
        ${typed("from", "From", { type: "date", instead: "created_from", help: exact(value("created_from"), "or later") })}
        ${typed("to", "To", { type: "date", instead: "created_to", help: exact(value("created_to"), "is too late") })}
        ${typed("batch_id", "Campaign", { type: "search", placeholder: "Its id", maxlength: 100 })}
        <${ChoiceField} label="Order" fault=${faults.order} value=${value("order")} options=${[["", "Newest first"], ["asc", "Oldest first"]]}
          onValue=${(chosen) => setQuery({ order: chosen })} />
      </form>
      ${isFiltered(query) && html`<button type="button" onClick=${clearFilters}>Clear the filters</button>`}
    </details>
  `;
}

/** What stands at a field for a day while there is a moment in its place. */
function exact(moment, what) {
  return Number.isNaN(Date.parse(moment)) ? moment : `${exactMoment(moment)} ${what}`;
}

/** A field whose text goes into the address once nobody types any more; `instead` of a filter that is another way to say it. */
function Typed({ name, value, instead, ...more }) {
  const [text, setText] = useState(value);
  const timer = useRef(null);
  useEffect(() => {
    setText((now) => (now.trim() === value ? now : value)); // the space before the next word stays
    return () => clearTimeout(timer.current);
  }, [value]);
  const type = (typed) => {
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({ [name]: typed.trim(), ...(instead && { [instead]: "" }) }), SETTLED_MS);
  };
  return html`<${TextField} ...${more} value=${text} onValue=${type} />`;
}

function given(query) {
  return Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
}

/** The moment at which that day begins here, or one some days later; what is no day is left to the API to refuse. */
function startOf(day, later) {
  const [year, month, date] = day.split("-").map(Number);
  const here = new Date(year, month - 1, date);
  if (here.getMonth() !== month - 1 || here.getDate() !== date) return day; // Date makes a day of any numbers
  return new Date(year, month - 1, date + later).toISOString();
}
