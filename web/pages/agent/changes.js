// What was changed of the agent, by whom, and undoing it.

import { html, useEffect, useRef } from "../../preact.js";
import { get, post } from "../../api.js";
import { moment } from "../../format.js";
import { Action } from "../../parts/action.js";
import { Failure, Waiting, usePages } from "../../parts/loaded.js";
import { Moment } from "../../parts/moment.js";
import { tell } from "../../parts/notices.js";
import { setQuery, useAddress } from "../../router.js";

const PAGE = 20;
const LONG = 300; // characters of a value that are shown at once

/**
 * `?since=…` in the address: only what was changed since then, as since a call.
 *
 * @param isChanged whether the form has changes that are not saved: an undo would lose them.
 */
export function Changes({ agent, isChanged, onUndone }) {
  const since = dated(useAddress().query.get("since"));
  const path = `/v1/agents/${agent.id}/changes`;
  const load = async (place, signal) => {
    const offset = place ?? 0;
    const { changes, total } = await get(path, { since, limit: PAGE, offset }, { signal });
    const end = offset + changes.length;
    return { rows: changes, next: end < total && changes.length > 0 ? end : null };
  };
  const { rows, error, isLoading, more, reload } = usePages(load, [agent.id, agent.updated_at, since]);
  const section = useRef(null);
  const isLoaded = rows !== undefined;
  useEffect(() => {
    if (since && isLoaded) section.current.scrollIntoView(); // that is what the address asks for
  }, [since, isLoaded]);
  const undo = async (change) => {
    const undone = await post(`${path}/${change.id}/undo`);
    tell(`${change.field} is as it was before.`);
    onUndone(undone);
  };
  return html`
    <section class="beneath" aria-labelledby="changes" ref=${section}>
      <div class="head">
        <h2 id="changes">${since ? `Changed since ${moment(since)}` : "Changes"}</h2>
        ${since && html`<button type="button" onClick=${() => setQuery({ since: null })}>All changes</button>`}
      </div>
      ${error && html`<${Failure} error=${error} onAgain=${reload} />`}
      ${!rows && isLoading && html`<${Waiting} />`}
      ${rows?.length === 0 && html`<p class="empty">${since ? "It is as it was then." : "Nothing was changed since it was made. What is saved above stands here, with who did it, and can be undone."}</p>`}
      ${rows?.length > 0 && html`
        <ol class="changes card">
          ${rows.map(
            (change) => html`
              <li key=${change.id}>
                <p><code>${change.field}</code> <span class="quiet"><${Moment} of=${change.created_at} /> by ${change.changed_by.label} (${change.changed_by.key_prefix}…)</span></p>
                <${Value} name="Before" of=${change.before} />
                <${Value} name="After" of=${change.after} />
                ${change.can_undo && html`
                  <p><${Action} work=${() => undo(change)} disabled=${isChanged}>Undo<span class="unseen"> the change of ${change.field}</span><//>
                    ${isChanged && html`<span class="quiet"> Save or discard what is unsaved first.</span>`}</p>
                `}
              </li>
            `,
          )}
        </ol>
        ${more && html`<p class="more"><button type="button" onClick=${more}>Show more changes</button></p>`}
      `}
    </section>
  `;
}

/** A moment of the address; what is none is as if it was not there. */
function dated(text) {
  return Number.isNaN(Date.parse(text ?? "")) ? null : text;
}

function Value({ name, of }) {
  const text = typeof of === "string" ? of : JSON.stringify(of, null, 2);
  const shown = of === null ? html`<span class="quiet">nothing</span>` : of === "" ? html`<span class="quiet">empty</span>` : html`<span class="value">${text.slice(0, LONG)}</span>`;
  return html`
    <div class="side-of">
      <span class="quiet">${name}</span>
      ${text.length > LONG ? html`<details><summary>${shown} …</summary><span class="value">${text.slice(LONG)}</span></details>` : shown}
    </div>
  `;
}
