// One agent, or a new one: its form, and what can be done with it.

import { html, useCallback, useEffect, useMemo, useRef, useState } from "../preact.js";
import { get, post, remove } from "../api.js";
import { Action, FormFault, Submit, useSending } from "../parts/action.js";
import { confirm } from "../parts/dialog.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { tell } from "../parts/notices.js";
import { Head } from "../parts/page.js";
import { useUnsaved } from "../parts/unsaved.js";
import { go, mayLeave } from "../router.js";
import { After } from "./agent/after.js";
import { Behaviour } from "./agent/behaviour.js";
import { Calls } from "./agent/calls.js";
import { Changes } from "./agent/changes.js";
import { NEW, changesOf, draftOf, rebased } from "./agent/draft.js";
import { AgentForm } from "./agent/form.js";
import { Keeping } from "./agent/keeping.js";
import { Providers } from "./agent/providers.js";
import { save } from "./agent/saving.js";
import { Share } from "./agent/share.js";
import { Tools } from "./agent/tools.js";
import { Whole } from "./agent/whole.js";
import { Words } from "./agent/words.js";

export default function AgentPage({ id }) {
  const { data, setData, ...loading } = useLoaded(async (signal) => (id ? get(`/v1/agents/${id}`, {}, { signal }) : NEW), [id]);
  if (!data) return html`<div><${Head} title="Agent" /><${Loading} ...${loading} /></div>`;
  return html`<${Editor} agent=${data} onSaved=${setData} />`;
}

function Editor({ agent, onSaved }) {
  const before = useMemo(() => draftOf(agent), [agent]);
  const [draft, setDraft] = useState(before);
  const [isWhole, setWhole] = useState(false);
  const [held, setHeld] = useState(0); // how many fields have a text that counts for nothing yet
  const [round, setRound] = useState(0);
  const sent = useRef(before);
  useEffect(() => {
    const as = sent.current; // what was typed while it was on its way is still to be saved
    setDraft((now) => rebased(now, as, before).draft);
    sent.current = before;
  }, [before]);
  const changes = useMemo(() => changesOf(before, draft), [before, draft]);
  const isChanged = Object.keys(changes).length > 0 || held > 0;
  useUnsaved(isChanged);
  const hold = useCallback(() => {
    setHeld((all) => all + 1);
    return () => setHeld((all) => all - 1);
  }, []);

  const { isBusy, error, send, forget } = useSending(async () => {
    if (agent.id) {
      const { saved, theirs, refused } = await save(agent, draft);
      if (!refused) sent.current = draft;
      onSaved(saved);
      if (theirs.length > 0) tell(`Changed by somebody else meanwhile, and kept: ${theirs.join(", ")}.`);
      if (refused) throw refused;
    } else {
      await go(`/agents/${(await post("/v1/agents", draft)).id}`, { asks: false });
    }
    tell("Saved.");
  });
  const discard = () => {
    setDraft(before);
    setRound(round + 1);
    forget();
  };
  const fields = useRef(null);
  const isBroken = () => {
    const broken = fields.current.querySelector("[data-broken]");
    broken?.closest("details")?.setAttribute("open", "");
    broken?.focus();
    return broken !== null;
  };
  const submit = (submitted) => {
    if (isBroken() || (agent.id && !isChanged)) return submitted.preventDefault();
    return send(submitted);
  };
  const toggle = () => isBroken() || setWhole(!isWhole); // the other view would not have that text
  const form = { draft, change: setDraft, faults: error?.details ?? [], hold, round };
  return html`
    <div>
      <${Head} title=${agent.id ? html`<bdi>${agent.name}</bdi>` : "New agent"} tab=${agent.id ? agent.name : "New agent"} actions=${html`<${Actions} ...${{ agent, isWhole, toggle }} />`} />
      <form class="cards agent" ref=${fields} onSubmit=${submit} novalidate inert=${isBusy && !agent.id}>
        <${AgentForm.Provider} value=${form}>
          ${isWhole
            ? html`<${Whole} />`
            : html`
                <${Words} />
                <${Providers} />
                <${Tools} />
                <${Behaviour} />
                <${Keeping} />
                <${After} />
              `}
        <//>
        ${(!agent.id || isChanged || error) && html`
          <div class="saving card">
            <${FormFault} error=${error} />
            <span class="quiet" role="status">${isChanged ? "There are unsaved changes." : ""}</span>
            <span class="actions">
              ${isChanged && html`<button type="button" onClick=${discard}>Discard</button>`}
              <${Submit} isBusy=${isBusy || (agent.id && !isChanged)}>${agent.id ? "Save" : "Create the agent"}<//>
            </span>
          </div>
        `}
      </form>
      ${agent.id && html`
        <${Share} agent=${agent} />
        <${Calls} id=${agent.id} />
        <${Changes} ...${{ agent, isChanged }} onUndone=${onSaved} />
      `}
    </div>
  `;
}

function Actions({ agent, isWhole, toggle }) {
  const clone = async () => {
    if (await mayLeave()) await go(`/agents/${(await post(`/v1/agents/${agent.id}/clone`)).id}`, { asks: false });
  };
  const erase = async () => {
    const detail = "Its calls stay. Numbers and keys that are for it lead nowhere any more.";
    if (!(await confirm(html`Delete <bdi>${agent.name}</bdi>?`, { action: "Delete", detail }))) return;
    await remove(`/v1/agents/${agent.id}`);
    tell(html`<bdi>${agent.name}</bdi> is deleted.`);
    await go("/agents", { asks: false });
  };
  return html`
    <div class="actions">
      <button type="button" aria-pressed=${isWhole ? "true" : "false"} onClick=${toggle}>JSON</button>
      ${agent.id && html`
        <${Action} work=${clone}>Clone<//>
        <${Action} work=${erase}>Delete<//>
        <a class="button primary" href="/agents/${agent.id}/talk">Talk</a>
      `}
    </div>
  `;
}
