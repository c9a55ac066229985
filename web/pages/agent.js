// One agent, or a new one: its form, and what can be done with it.

import { html, useCallback, useEffect, useMemo, useState } from "../preact.js";
import { get, post, put, remove } from "../api.js";
import { Action, FormFault, useSending } from "../parts/action.js";
import { confirm } from "../parts/dialog.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { tell } from "../parts/notices.js";
import { Head } from "../parts/page.js";
import { go, useLeaveGuard } from "../router.js";
import { After } from "./agent/after.js";
import { Behaviour } from "./agent/behaviour.js";
import { Calls } from "./agent/calls.js";
import { Changes } from "./agent/changes.js";
import { changesOf, draftOf } from "./agent/draft.js";
import { AgentForm } from "./agent/form.js";
import { Keeping } from "./agent/keeping.js";
import { Providers } from "./agent/providers.js";
import { Share } from "./agent/share.js";
import { Tools } from "./agent/tools.js";
import { Whole } from "./agent/whole.js";
import { Words } from "./agent/words.js";

const NEW = {
  name: "", system_prompt: "", language: null, first_message: "", stt: [], llm: [], tts: [], phrases: {},
  max_duration_s: 3600, silence_reminder_s: 12, silence_timeout_s: 30, eager: 0.1, machine_detection: "continue",
  tools: [], mcp_servers: [], features: {}, retention_days: {}, post_call: {},
};

export default function AgentPage({ id }) {
  const { data, setData, ...loading } = useLoaded(async (signal) => (id ? get(`/v1/agents/${id}`, {}, { signal }) : NEW), [id]);
  if (!data) return html`<${Head} title="Agent" /><${Loading} ...${loading} />`;
  return html`<${Editor} agent=${data} onSaved=${setData} />`;
}

function Editor({ agent, onSaved }) {
  const before = useMemo(() => draftOf(agent), [agent]);
  const [draft, setDraft] = useState(before);
  const [isWhole, setWhole] = useState(false);
  const [created, setCreated] = useState(null);
  useEffect(() => setDraft(before), [before]);
  const changes = useMemo(() => changesOf(before, draft), [before, draft]);
  const isChanged = Object.keys(changes).length > 0 && created === null;
  const mayLeave = useCallback(() => confirm("Leave without saving?", { action: "Leave", detail: "What you changed here is lost." }), []);
  useLeaveGuard(isChanged ? mayLeave : null);
  useEffect(() => {
    if (created) go(`/agents/${created}`);
  }, [created]);

  const { isBusy, error, send } = useSending(async () => {
    if (agent.id) onSaved(await put(`/v1/agents/${agent.id}`, changes));
    else setCreated((await post("/v1/agents", draft)).id);
    tell("Saved.");
  });
  const submit = (submitted) => {
    const broken = submitted.target.querySelector("[data-broken]");
    if (!broken) return send(submitted);
    submitted.preventDefault();
    broken.closest("details")?.setAttribute("open", "");
    return broken.focus();
  };
  const form = { draft, change: setDraft, faults: error?.details ?? [] };
  return html`
    <${Head} title=${agent.id ? html`<bdi>${agent.name}</bdi>` : "New agent"} actions=${html`<${Actions} ...${{ agent, isWhole, setWhole }} />`} />
    <form class="cards agent" onSubmit=${submit} novalidate>
      <${AgentForm.Provider} value=${form}>
        ${isWhole
          ? html`<${Whole} />`
          : html`
              <${Words} />
              <${Providers} talk=${agent.id && `/agents/${agent.id}/talk`} />
              <${Tools} />
              <${Behaviour} />
              <${Keeping} />
              <${After} />
            `}
      <//>
      <div class="saving card" hidden=${Boolean(agent.id) && !isChanged && !error}>
        <${FormFault} error=${error} />
        <span class="quiet" role="status">${isChanged ? "There are unsaved changes." : ""}</span>
        <span class="actions">
          ${isChanged && html`<button type="button" onClick=${() => setDraft(before)}>Discard</button>`}
          <button class="primary" disabled=${isBusy || (Boolean(agent.id) && !isChanged)}>${agent.id ? "Save" : "Create the agent"}</button>
        </span>
      </div>
    </form>
    ${agent.id && html`
      <${Share} agent=${agent} />
      <${Calls} id=${agent.id} />
      <${Changes} ...${{ agent, isChanged }} onUndone=${onSaved} />
    `}
  `;
}

function Actions({ agent, isWhole, setWhole }) {
  const clone = async () => go(`/agents/${(await post(`/v1/agents/${agent.id}/clone`)).id}`);
  const erase = async () => {
    const detail = "Its calls stay. Numbers and keys that are for it lead nowhere any more.";
    if (!(await confirm(`Delete ${agent.name}?`, { action: "Delete", detail }))) return;
    await remove(`/v1/agents/${agent.id}`);
    tell(`${agent.name} is deleted.`);
    await go("/agents");
  };
  return html`
    <button type="button" aria-pressed=${isWhole ? "true" : "false"} onClick=${() => setWhole(!isWhole)}>JSON</button>
    ${agent.id && html`
      <${Action} work=${clone}>Clone<//>
      <${Action} work=${erase}>Delete<//>
      <a class="button primary" href="/agents/${agent.id}/talk">Talk</a>
    `}
  `;
}
