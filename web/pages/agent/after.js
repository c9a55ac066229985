// What is made of a call when it is over.

import { html, useContext } from "../../preact.js";
import { AgentForm, Choice, Long, Section, Switch, useAt } from "./form.js";
import { SchemaEditor } from "./schema-editor.js";

const FORMATS = [
  ["wav", "WAV"],
  ["ogg", "Ogg/Opus"],
];

export function After() {
  return html`
    <${Section} title="After the call" about="recording, summary, data, evaluation" paths=${["post_call"]}>
      <${Part} name="recording" title="Recording" isOn=${(part) => part?.enabled === true}>
        <${Choice} path="post_call.recording.format" label="Format" usual="wav" options=${FORMATS} />
      <//>
      <${Part} name="summary" title="Summary and sentiment" isOn=${(part) => part?.enabled === true}>
        <${Long} path="post_call.summary.prompt" empty=${null} label="What to look at" rows="2" help="Empty: whatever matters." />
      <//>
      <${Part} name="structured_extraction" title="Structured data" isOn=${(part) => Boolean(part) && part.enabled !== false && part.json_schema !== undefined}
        begin=${{ json_schema: { type: "object", properties: {} } }}>
        <${Long} path="post_call.structured_extraction.prompt" empty=${null} label="What to look for" rows="2" help="Empty: what the fields say." />
        <${SchemaEditor} key=${useContext(AgentForm).round} path="post_call.structured_extraction.json_schema" />
      <//>
      <${Part} name="evaluation" title="Evaluation" isOn=${(part) => Boolean(part) && part.enabled !== false && (part.rubric !== undefined || part.criteria !== undefined)} begin=${{ rubric: null }}>
        <${Long} path="post_call.evaluation.rubric" empty=${null} label="Rubric" help="What the agent is judged by; numbered points get a verdict each." />
        <${Long} path="post_call.evaluation.criteria" empty=${null} label="Criteria" rows="2" help="More of it, if there is more." />
        <${Unjudged} />
      <//>
    <//>
  `;
}

function Unjudged() {
  const { rubric, criteria } = useAt("post_call.evaluation").value;
  return !rubric?.trim() && !criteria?.trim() && html`<p class="fault">Nothing is evaluated before there is a rubric, or criteria.</p>`;
}

/** A part that can be on or off; what it holds stays while it is off. */
function Part({ name, title, isOn, begin = {}, children }) {
  const { value, set } = useAt(`post_call.${name}`);
  const on = isOn(value);
  return html`
    <fieldset>
      <legend>${title}</legend>
      <${Toggle} title=${title} on=${on} onValue=${(isOn) => set(isOn ? { ...begin, ...value, enabled: true } : { ...value, enabled: false })} />
      ${on && children}
    </fieldset>
  `;
}

function Toggle({ title, on, onValue }) {
  return html`
    <div class="field switch">
      <label><input type="checkbox" checked=${on} onChange=${(changed) => onValue(changed.target.checked)} /> Make it<span class="unseen">: ${title}</span></label>
    </div>
  `;
}
