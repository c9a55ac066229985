// The call while it runs: who speaks, what is said, and what can be done.

import { html, useEffect, useRef, useState } from "../../preact.js";
import { STATES } from "../../caller/states.js";
import { duration } from "../../format.js";
import { Level } from "../../parts/level.js";
import { attempt } from "../../parts/notices.js";
import { Captions } from "./captions.js";
import { endingOf } from "./endings.js";
import { MicrophoneField } from "./microphone.js";

/** @param heard what was told of the call so far: see `placeCall`. */
export function During({ agent, call, heard, onHangUp }) {
  const status = useRef(null);
  // Not on a button: whoever presses Space, or Enter, does not hang up by that.
  useEffect(() => status.current.focus(), []);
  const isOver = heard.state === "over";
  const nameOf = ({ speaker, participant_identity: identity }) =>
    speaker === "agent" ? agent.name : identity === null || identity === call.identity ? "You" : identity;
  return html`
    <div class="cards">
      <section class="card during" aria-label="Call">
        <div class="bar">
          <span class="avatar" data-state=${heard.state} aria-hidden="true"></span>
          <div class="who" tabindex="-1" ref=${status}>
            <p role="status">${isOver ? endingOf(heard.reason) : (STATES[heard.state] ?? "")}</p>
            <${Clock} runs=${Boolean(heard.joined) && !isOver} />
          </div>
          ${isOver
            ? html`<a class="button" href="/calls/${call.id}">See the call</a>`
            : html`<${Controls} ...${{ call, onHangUp }} />`}
        </div>
        <${Troubles} ...${{ call, heard, isOver }} />
        <${Captions} segments=${heard.segments} nameOf=${nameOf} />
      </section>
      ${!isOver && html`<${Hearing} ...${{ call, heard }} />`}
    </div>
  `;
}

function Controls({ call, onHangUp }) {
  const [isMuted, setMuted] = useState(false);
  const toggle = () =>
    attempt(async () => {
      await call.mute(!isMuted);
      setMuted(!isMuted);
    });
  return html`
    <div class="actions">
      <button type="button" aria-pressed=${isMuted ? "true" : "false"} onClick=${toggle}>Mute</button>
      <button type="button" class="danger" onClick=${onHangUp}>Hang up</button>
    </div>
  `;
}

/** What stands in the way of hearing and being heard, and what helps. */
function Troubles({ call, heard, isOver }) {
  return html`
    <div class="troubles" role="alert">
      ${(call.warnings ?? []).map((warning) => html`<p>${warning}</p>`)}
      ${!isOver && heard.canHear === false && html`
        <p>The browser plays no sound before you ask for it.
          <button type="button" class="primary" onClick=${() => attempt(() => call.hear())}>Hear the agent</button></p>
      `}
      ${!isOver && heard.microphone === "lost" && html`<p>The microphone is gone: the agent does not hear you. Connect it again, or choose another one below.</p>`}
      ${heard.stoodStill > 0 && html`<p>This page stood still for ${heard.stoodStill} seconds; the agent did not hear you meanwhile.</p>`}
      ${heard.isAnswering === false && html`<p>Callroom does not answer; it is asked again and again. What is said appears when it is back.</p>`}
    </div>
  `;
}

function Hearing({ call, heard }) {
  const [deviceId, setDeviceId] = useState("");
  const [sound, setSound] = useState(call.sound);
  useEffect(() => setSound(call.sound), [heard.microphone, heard.foundAt]);
  const choose = (chosen) => {
    setDeviceId(chosen);
    attempt(() => call.useMicrophone(chosen));
  };
  return html`
    <section class="card fields" aria-label="Your microphone">
      <${MicrophoneField} value=${deviceId} onValue=${choose} />
      <div class="field"><span class="label">Input level</span><${Level} sound=${sound} /></div>
    </section>
  `;
}

function Clock({ runs }) {
  const [at, setAt] = useState(0);
  useEffect(() => {
    if (!runs) return undefined;
    const began = Date.now();
    const timer = setInterval(() => setAt((Date.now() - began) / 1000), 250);
    return () => clearInterval(timer);
  }, [runs]);
  return html`<p class="clock"><span class="unseen">Duration </span>${duration(at)}</p>`;
}
