// The recording: its picture, and the controls of its sound.

import { html, useEffect, useState } from "../../preact.js";
import { ApiError, get } from "../../api.js";
import { duration } from "../../format.js";
import { Action } from "../../parts/action.js";
import { Playback, usePlayback } from "./playback.js";
import { Waveform } from "./waveform.js";

const RATES = [0.75, 1, 1.25, 1.5, 2];
const ARROW_S = 5;
const CONTROLS = "a, button, input, select, textarea, summary, audio, [role=slider], [contenteditable], dialog";
const SCROLLED = "pre, [role=region]"; // by the arrows

/** The sound of a call's recording once there is one; the same as long as the page is there, however links change. */
export function useRecording(call) {
  const [playback, setPlayback] = useState(null);
  const [peaks, setPeaks] = useState(null);
  const url = call?.recording.metadata.stereo_mix?.signed_url;
  const { id } = call ?? {};
  const size = call?.recording.metadata.size_bytes; // a recording that is made again, with what came late, is another
  useEffect(() => {
    if (!url) return undefined;
    const opened = new Playback(url, () => link(id));
    const aborter = new AbortController();
    setPlayback(opened);
    get(`/v1/calls/${id}/recording/peaks`, {}, { signal: aborter.signal }).then(setPeaks, () => {}); // without them who spoke is drawn
    return () => {
      aborter.abort();
      opened.close();
      setPlayback(null);
      setPeaks(null);
    };
  }, [id, size, Boolean(url)]);
  return { playback, peaks };
}

/** A link to the sound that holds from now on for a while. */
async function link(id) {
  const { recording } = await get(`/v1/calls/${id}/recording`);
  const url = recording.metadata.stereo_mix?.signed_url;
  if (!url) throw new ApiError(404, "The recording is not there any more.");
  return url;
}

export function Player({ call, lengthMs, entries, recording: { playback, peaks }, onSeek }) {
  useKeys(playback, onSeek);
  const isSeen = lengthMs > 0 && (playback || entries.some(({ kind }) => kind === "said"));
  return html`
    <section class="card player" aria-label="Recording">
      ${isSeen && html`<${Waveform} ...${{ lengthMs, peaks, entries, playback, onSeek }} />`}
      ${playback ? html`<${Controls} ...${{ playback, lengthMs, call }} />` : html`<${WhyNot} call=${call} />`}
    </section>
  `;
}

function Controls({ playback, lengthMs, call }) {
  const isPlaying = usePlayback(playback, () => playback.isPlaying);
  const second = usePlayback(playback, () => Math.floor(playback.position));
  const rate = usePlayback(playback, () => playback.rate);
  const error = usePlayback(playback, () => playback.error);
  const choose = (chosen) => {
    playback.rate = Number(chosen.target.value);
  };
  const download = async () => {
    const name = `${call.id}.${call.recording.format}`;
    Object.assign(document.createElement("a"), { href: await link(call.id), download: name }).click();
  };
  return html`
    <div>
      <div class="controls">
        <button type="button" class="primary" onClick=${() => playback.toggle()}>${isPlaying ? "Pause" : "Play"}</button>
        <span class="position" role="timer" aria-label="Position">${duration(second)} <span class="quiet">/ ${duration(lengthMs / 1000)}</span></span>
        <label class="rate">Speed
          <select value=${String(rate)} onChange=${choose}>
            ${RATES.map((one) => html`<option key=${one} value=${String(one)} selected=${one === rate}>${one}×</option>`)}
          </select>
        </label>
        <${Action} work=${download}>Download<//>
      </div>
      ${error && html`<p class="failure" role="alert">${error}<button type="button" onClick=${() => playback.retry()}>Try again</button></p>`}
    </div>
  `;
}

function WhyNot({ call: { recording, ended_at: endedAt } }) {
  const { error, erased_at: erasedAt } = recording.metadata;
  if (erasedAt) return html`<p class="quiet">The recording was erased.</p>`;
  if (recording.status === "failed") return html`<p>There is no recording: <span class="fault">${error}</span></p>`;
  if (recording.status === "disabled") return html`<p class="quiet">${endedAt ? "This call was not recorded." : "This call is not recorded."}</p>`;
  if (!endedAt) return html`<p class="quiet">The call is recorded; it can be heard here when it is over.</p>`;
  return html`<p class="waiting" role="status"><span class="spinner" aria-hidden="true"></span>The recording is on its way …${error && ` ${error}`}</p>`;
}

/** Space and arrows, where nothing else has the focus that takes them. */
function useKeys(playback, onSeek) {
  useEffect(() => {
    if (!playback) return undefined;
    const press = (pressed) => {
      if (pressed.defaultPrevented || pressed.altKey || pressed.ctrlKey || pressed.metaKey || pressed.shiftKey) return;
      if (pressed.target.closest?.(CONTROLS) || document.querySelector("dialog[open]")) return;
      if (pressed.key === " ") playback.toggle();
      else if (pressed.target.closest?.(SCROLLED)) return;
      else if (pressed.key === "ArrowLeft") onSeek(playback.position - ARROW_S);
      else if (pressed.key === "ArrowRight") onSeek(playback.position + ARROW_S);
      else return;
      pressed.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [playback, onSeek]);
}
