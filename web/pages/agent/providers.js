// Who hears, thinks and speaks, each with those who take over.

import { html, useContext } from "../../preact.js";
import { get } from "../../api.js";
import { useLoaded } from "../../parts/loaded.js";
import { AgentForm, Json, Many, Section, Text, useAt } from "./form.js";
import { Hear } from "./hear.js";

const KINDS = [
  { kind: "stt", title: "Hears", one: "a recogniser" },
  { kind: "llm", title: "Thinks", one: "a model" },
  { kind: "tts", title: "Speaks", one: "a voice" },
];

export function Providers() {
  const { draft } = useContext(AgentForm);
  const { data: options } = useLoaded((signal) => get("/v1/agents/llm-options", {}, { signal }), []);
  const known = { llm: options?.models.map((one) => [one.id, one.provider_id]) ?? [], tts: options?.voices.map((one) => [one.name, one.provider]) ?? [], stt: [] };
  return html`
    <${Section} title="Voice and models" about="who hears, thinks and speaks" paths=${["stt", "llm", "tts"]}>
      ${KINDS.map(
        ({ kind, title, one }) => html`
          <h3 key=${kind}>${title}</h3>
          <p class="help">The first is asked; where it does not work, the next takes over. None: the installation's own.</p>
          <${Many} path=${kind} one=${one} fresh=${fresh(kind)} canMove show=${(path) => html`<${Provider} ...${{ path, kind }} known=${known[kind]} />`} />
          ${kind === "tts" && !draft.tts?.length && html`<${Hear} voice=${{}} />`}
        `,
      )}
    <//>
  `;
}

function fresh(kind) {
  const choice = { provider: null, model: null, options: {} };
  return kind === "tts" ? { ...choice, voice: null } : choice;
}

function Provider({ path, kind, known }) {
  const named = kind === "tts" ? "voice" : "model";
  const list = `${kind}-names`;
  const { value } = useAt(path);
  return html`
    <datalist id=${list}>${known.map(([name, provider]) => html`<option value=${name}>${provider}</option>`)}</datalist>
    <div class="fields">
      <${Text} path="${path}.provider" empty=${null} label="Provider" help="deepgram, openai, local, one that the operator has named, or a LiveKit plugin. Empty: the installation's own." />
      <${Text} path="${path}.model" empty=${null} label="Model" list=${named === "model" ? list : null} help="Empty: the provider's usual one." />
      ${kind === "tts" && html`<${Text} path="${path}.voice" empty=${null} label="Voice" list=${list} help="Empty: the provider's usual one." />`}
    </div>
    <${Json} path="${path}.options" empty=${{}} label="Options" rows="3" help="What the provider's LiveKit plugin takes besides, as a JSON object." />
    ${kind === "tts" && html`<${Hear} voice=${value} />`}
  `;
}
