// How the agent behaves in a call: turns, silence, limits, and its own phrases.

import { html } from "../../preact.js";
import { Amount, Choice, Section, Text, useAt } from "./form.js";

const PHRASES = [
  ["reminder", "After a silence"],
  ["silence", "Before it hangs up after a silence"],
  ["goodbye", "When it hangs up without a word to that"],
  ["moment", "When it takes long to answer"],
  ["sorry", "When it had no answer"],
  ["unheard", "When it cannot hear for a while"],
  ["back", "When it comes back after it was lost"],
  ["transfer", "Before it sends a phone on"],
  ["failed", "When a provider has failed for good"],
  ["credits_used_up", "When the credits are used up"],
];
const MACHINE = [
  ["continue", "Talk on"],
  ["hang_up", "Hang up"],
];

export function Behaviour() {
  return html`
    <div class="cards">
      <${Section} title="Turns and limits" about="silence, length, eagerness" paths=${["max_duration_s", "silence_reminder_s", "silence_timeout_s", "eager", "machine_detection"]}>
        <div class="fields">
          <${Amount} path="silence_reminder_s" label="Seconds of silence before it asks" min="1" step="1" />
          <${Amount} path="silence_timeout_s" label="Seconds of silence before it hangs up" min="1" step="1" />
          <${Amount} path="max_duration_s" label="Longest call, in seconds" min="1" step="1" />
          <${Amount} path="eager" label="Eagerness" min="0" max="1" help="0 to 1: how likely a request to the model may be in vain that is made before the caller's turn is over." />
          <${Choice} path="machine_detection" label="When a voicemail answers" options=${MACHINE} />
        </div>
      <//>
      <${Section} title="Phrases" about="what it says of itself" paths=${["phrases"]}>
        <p class="help">What is not said here, it says in its own words in the call's language.</p>
        <div class="fields">${PHRASES.map(([name, label]) => html`<${Phrase} key=${name} ...${{ name, label }} />`)}</div>
      <//>
    </div>
  `;
}

/** null: its own words; "": it says nothing. */
function Phrase({ name, label }) {
  const { value, set } = useAt(`phrases.${name}`);
  return html`
    <div>
      <${Text} path="phrases.${name}" label=${label} placeholder=${value === null || value === undefined ? "Its own words" : "Nothing"} />
      ${value !== null && value !== undefined && html`<button type="button" class="plain back" onClick=${() => set(null)}>Back to its own words<span class="unseen">: ${label}</span></button>`}
    </div>
  `;
}
