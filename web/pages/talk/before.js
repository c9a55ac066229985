// Before the call: what it is told, who will speak, and into which microphone.

import { html, useEffect, useMemo, useState } from "../../preact.js";
import { Submit } from "../../parts/action.js";
import { shortened } from "../../format.js";
import { Badge } from "../../parts/badge.js";
import { TextField } from "../../parts/field.js";
import { Level } from "../../parts/level.js";
import { variablesOf } from "../../parts/variables.js";
import { MicrophoneField } from "./microphone.js";

/**
 * @param speakers `[{ kind, who, health }]`, who hears, thinks and speaks.
 * @param told `{ variables, deviceId }` as they are typed and chosen, and `setTold` to change them.
 * @param onStart `() => Promise`.
 */
export function Before({ agent, speakers, told, setTold, fault, onStart }) {
  const variables = useMemo(() => variablesOf(agent), [agent]);
  const { variables: values, deviceId } = told;
  const [isBusy, setBusy] = useState(false);
  const submit = async (submitted) => {
    submitted.preventDefault();
    if (isBusy) return;
    setBusy(true);
    await onStart();
    setBusy(false);
  };
  return html`
    <form class="card before" onSubmit=${submit}>
      ${variables.length > 0 && html`<h2>What this call is told</h2>`}
      <div class="fields">
        ${variables.map(
          ({ name, fallback }) => html`
            <${TextField} key=${name} label=${name} required=${fallback === null} placeholder=${shortened(fallback ?? "") || null}
              help=${fallback === null ? "It has no default: without a value it would be spoken as a hole." : `Left empty: ${fallback ? `“${shortened(fallback)}”` : "nothing"}.`}
              value=${Object.hasOwn(values, name) ? values[name] : ""} onValue=${(value) => setTold({ ...told, variables: { ...values, [name]: value } })} />
          `,
        )}
      </div>
      <h2>How you are heard</h2>
      <div class="fields">
        <${MicrophoneField} value=${deviceId} onValue=${(chosen) => setTold({ ...told, deviceId: chosen })} />
        <${Trial} key=${deviceId} deviceId=${deviceId} />
      </div>
      <h2>Who answers</h2>
      <dl class="facts">
        ${speakers.map(
          ({ kind, who, health }) => html`
            <div key=${kind}><dt>${kind}</dt><dd>${who} ${health && health !== "ok" && html`<${Badge} mood="warn">${health}<//>`}</dd></div>
          `,
        )}
      </dl>
      <p role="alert" class="fault">${fault}</p>
      <p class="buttons"><${Submit} isBusy=${isBusy}>${isBusy ? "Starting …" : "Start the call"}<//></p>
    </form>
  `;
}

/** The microphone as it hears now, if somebody wants to see. */
function Trial({ deviceId }) {
  const [sound, setSound] = useState(null);
  const [fault, setFault] = useState("");
  useEffect(() => () => sound?.stop(), [sound]);
  const open = async () => {
    setFault("");
    try {
      const audio = deviceId ? { deviceId } : true;
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      setSound(stream.getAudioTracks()[0]);
    } catch {
      setFault("The microphone cannot be used. Is it connected, and allowed for this page?");
    }
  };
  return html`
    <div class="field">
      <span class="label">Input level</span>
      ${sound ? html`<${Level} sound=${sound} />` : html`<button type="button" onClick=${open}>Try the microphone</button>`}
      ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    </div>
  `;
}
