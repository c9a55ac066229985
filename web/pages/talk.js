// Talking to an agent in the browser: from its variables and the microphone to the page of the call.

import { html, useCallback, useEffect, useReducer, useRef, useState } from "../preact.js";
import { get } from "../api.js";
import { confirm } from "../parts/dialog.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { attempt, tell } from "../parts/notices.js";
import { Head } from "../parts/page.js";
import { go, useLeaveGuard } from "../router.js";
import { Before } from "./talk/before.js";
import { During } from "./talk/during.js";
import { endingOf } from "./talk/endings.js";
import { placeCall } from "./talk/spoken-call.js";

const BEGUN = { state: "connecting", segments: new Map() };

export default function Talk({ id }) {
  const { data, ...loading } = useLoaded((signal) => load(id, signal), [id]);
  const [call, setCall] = useState(null);
  const [fault, setFault] = useState("");
  const [told, setTold] = useState({ variables: {}, deviceId: "" }); // stays as it was typed when there is no call of it
  const [heard, hear] = useReducer(change, BEGUN);
  const live = useRef(null); // the call that is to be hung up when this page goes
  const isRunning = call !== null && heard.state !== "over";

  const mayLeave = useCallback(() => confirm("Leave the call?", { action: "Hang up and leave", detail: "The agent is told that you hung up." }), []);
  useLeaveGuard(isRunning ? mayLeave : null);
  const isGone = useRef(false);
  useEffect(
    () => () => {
      isGone.current = true;
      live.current?.hangUp().catch(() => {});
    },
    [],
  );
  useEffect(() => {
    // Whoever shuts Callroom down is told so here: there is nobody left to show the call's page.
    if (heard.reason === undefined || heard.reason === "shut_down") return;
    tell(endingOf(heard.reason));
    go(`/calls/${call.id}`);
  }, [heard.reason]);

  const start = async () => {
    const variables = Object.fromEntries(Object.entries(told.variables).filter(([, value]) => value !== ""));
    setFault("");
    hear(BEGUN);
    try {
      live.current = await placeCall(id, { variables, deviceId: told.deviceId, tell: hear });
      if (isGone.current) return await live.current.hangUp();
      setCall(live.current);
      await live.current.run();
    } catch (error) {
      setFault(error.message);
      setCall(null);
    }
    live.current = null;
  };
  if (!data) return html`<div><${Head} title="Talk" /><${Loading} ...${loading} /></div>`;
  return html`
    <div>
      <${Head} title=${html`Talk to <bdi>${data.agent.name}</bdi>`} tab=${`Talk to ${data.agent.name}`} actions=${html`<a class="button" href="/agents/${id}">Edit the agent</a>`} />
      <div class="talk">
        ${call
          ? html`<${During} agent=${data.agent} ...${{ call, heard }} onHangUp=${() => attempt(() => call.hangUp())} />`
          : html`<${Before} ...${data} ...${{ told, setTold }} fault=${fault || data.trouble} onStart=${start} />`}
      </div>
    </div>
  `;
}

function change(heard, { segment, ...told }) {
  if (told.segments) return told; // it begins anew
  if (told.joined && heard.state === "connecting") told.state = "joined";
  if (told.microphone === "found") told.foundAt = Date.now(); // another one may follow another
  const segments = segment ? new Map(heard.segments).set(segment.sequence, segment) : heard.segments;
  return { ...heard, ...told, segments };
}

/** The agent, and who hears, thinks and speaks for it: what it names, else the installation's own. */
async function load(id, signal) {
  const [agent, options, ready] = await Promise.all([
    get(`/v1/agents/${id}`, {}, { signal }),
    get("/v1/agents/llm-options", {}, { signal }),
    get("/readyz", {}, { signal }).catch((error) => ({ trouble: error.message })),
  ]);
  const [model, voice] = [options.models[0], options.voices[0]];
  const speaker = (kind, name, chosen, usual) => {
    const [own, health] = Object.entries(ready.providers?.[name] ?? {})[0] ?? [];
    const isOwn = !chosen?.provider || chosen.provider === own;
    const provider = chosen?.provider ?? own ?? "the installation's own";
    const what = chosen?.voice ?? chosen?.model ?? (isOwn ? usual : null);
    return { kind, who: [what, provider].filter(Boolean).join(" · "), health: isOwn ? health : null };
  };
  return {
    agent,
    trouble: ready.trouble,
    speakers: [
      speaker("Hears", "stt", agent.stt[0], null),
      speaker("Thinks", "llm", agent.llm[0], model?.id),
      speaker("Speaks", "tts", agent.tts[0], voice?.name),
    ],
  };
}
