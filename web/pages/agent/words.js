// What the agent is and says first.

import { html, useContext } from "../../preact.js";
import { shortened } from "../../format.js";
import { variablesOf } from "../../parts/variables.js";
import { AgentForm, Long, Section, Text } from "./form.js";

export function Words() {
  const { draft } = useContext(AgentForm);
  return html`
    <${Section} title="Words" about="who it is, and what it says first" paths=${["name", "system_prompt", "first_message", "language"]} isOpen>
      <div class="fields">
        <${Text} path="name" label="Name" required maxlength="200" help="Callers see it in a browser. The agent itself is not told." />
        <${Text} path="language" empty=${null} label="Language" placeholder="en-US" help="A BCP 47 tag as en, de-AT or zh-Hant-TW. Empty: American English." />
      </div>
      <${Long} path="system_prompt" label="Prompt" rows="10" help=${'{{name}} stands for a variable of the call, {{ name | default: "there" }} for one with a default.'} />
      <${Long} path="first_message" label="First message" rows="2" help="What it says when the call starts. Empty: it waits for the caller." />
      <${Variables} all=${variablesOf(draft)} />
    <//>
  `;
}

function Variables({ all }) {
  if (all.length === 0) return null;
  return html`
    <h3>Variables in it</h3>
    <ul class="variables">
      ${all.map(({ name, fallback }) => html`<li key=${name}><code>${name}</code> ${fallback === null ? html`<span class="quiet">without a default: calls must give it</span>` : html`<span class="quiet">default “${shortened(fallback)}”</span>`}</li>`)}
    </ul>
  `;
}
