// The call as a picture: who was heard when, and where the sound is.

import { html, useEffect, useMemo, useRef } from "../../preact.js";
import { duration } from "../../format.js";
import { draw } from "./drawing.js";

const STEP_MS = 100; // of what is drawn where there is no sound to be looked at
const KEYS_S = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };
const SPOKEN = 0.45; // how high a voice is drawn of which nobody knows how loud it was

/** @param onSeek `(seconds)`; without `playback` it is a picture only. */
export function Waveform({ lengthMs, peaks, entries, playback, onSeek }) {
  const canvas = useRef(null);
  const slider = useRef(null);
  const legend = useRef(null);
  const drawn = useMemo(() => ({ lengthMs, ...lanesOf(peaks, entries, lengthMs), ...marksOf(entries) }), [lengthMs, peaks, entries]);

  useEffect(() => {
    const paint = () => draw(canvas.current, { ...drawn, colours: coloursOf(legend.current) });
    paint();
    const sized = new ResizeObserver(paint);
    sized.observe(canvas.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", paint);
    return () => {
      sized.disconnect();
      dark.removeEventListener("change", paint);
    };
  }, [drawn]);

  useEffect(() => {
    if (!playback) return undefined;
    const playhead = slider.current.querySelector(".playhead");
    let told = null;
    const move = () => {
      const at = Math.min(playback.position, lengthMs / 1000);
      playhead.style.transform = `translateX(${(at / (lengthMs / 1000)) * 100}%)`;
      if (told === Math.floor(at)) return;
      told = Math.floor(at);
      slider.current.setAttribute("aria-valuenow", told);
      slider.current.setAttribute("aria-valuetext", `${duration(told)} of ${duration(lengthMs / 1000)}`);
    };
    move();
    return playback.subscribe(move);
  }, [playback, lengthMs]);

  const point = (pointed) => {
    const { left, width } = slider.current.getBoundingClientRect();
    onSeek(((pointed.clientX - left) / width) * (lengthMs / 1000));
  };
  const drag = (moved) => moved.buttons === 1 && point(moved);
  const press = (pressed) => {
    const ends = { Home: 0, End: lengthMs / 1000 };
    if (pressed.altKey || pressed.ctrlKey || pressed.metaKey) return;
    if (pressed.key === " ") playback.toggle();
    else if (pressed.key in KEYS_S) onSeek(playback.position + KEYS_S[pressed.key]);
    else if (pressed.key in ends) onSeek(ends[pressed.key]);
    else return;
    pressed.preventDefault();
    pressed.stopPropagation();
  };
  const grab = (pointed) => {
    if (pointed.button !== 0) return;
    slider.current.setPointerCapture(pointed.pointerId);
    point(pointed);
  };
  const picture = html`<canvas ref=${canvas} aria-hidden="true"></canvas>`;
  return html`
    <div>
      ${playback
        ? html`
            <div ref=${slider} class="wave" role="slider" tabindex="0" aria-label="Position in the recording" aria-valuemin="0"
              aria-valuemax=${Math.round(lengthMs / 1000)} aria-valuenow="0" onKeyDown=${press} onPointerDown=${grab} onPointerMove=${drag}>
              ${picture}<div class="playhead" aria-hidden="true"></div>
            </div>
          `
        : html`<div class="wave" role="img" aria-label="Who spoke when, over ${duration(lengthMs / 1000)}">${picture}</div>`}
      <p ref=${legend} class="key-to-colours">
        <span class="of-people">People</span><span class="of-agent">Agent</span><span class="of-wait">Waiting for an answer</span>
        <span class="of-mark">Tool</span><span class="of-bad">Interruption or trouble</span>
      </p>
    </div>
  `;
}

/** Loudness by the recording; where there is none to be seen, whether somebody spoke. */
function lanesOf(peaks, entries, lengthMs) {
  if (peaks) {
    const loudest = Math.max(32, ...peaks.people, ...peaks.agent);
    // Softer voices are to be seen too: the ear hears half the loudness where a tenth of the sound is.
    const seen = (points) => points.map((point) => Math.sqrt(point / loudest));
    return { stepMs: peaks.step_ms, lanes: { people: seen(peaks.people), agent: seen(peaks.agent) } };
  }
  const stepMs = Math.max(STEP_MS, lengthMs / 3000);
  const lanes = { people: [], agent: [] };
  for (const { kind, segment } of entries) {
    if (kind !== "said") continue;
    const lane = segment.speaker === "agent" ? lanes.agent : lanes.people;
    for (let i = Math.floor(segment.started_at_ms / stepMs); i <= segment.ended_at_ms / stepMs; i += 1) lane[i] = SPOKEN;
  }
  return { stepMs, lanes };
}

function marksOf(entries) {
  const marks = [];
  const waits = [];
  for (const { kind, at, segment, turn, tool, event } of entries) {
    if (turn) waits.push([turn.user_stopped_at_ms, turn.user_stopped_at_ms + turn.response_ms]);
    if (segment?.is_cut) marks.push({ at: segment.ended_at_ms, isBad: true });
    if (tool) marks.push({ at, isBad: tool.status !== "completed" && tool.status !== "running" });
    if (kind === "happened" && at >= 0 && event.level !== "info" && event.source !== "post_call") marks.push({ at, isBad: true });
  }
  return { marks, waits };
}

/** A canvas takes colours, not names of colours: those of the legend are what they have become. */
function coloursOf(legend) {
  const of = (name) => getComputedStyle(legend.querySelector(`.of-${name}`), "::before").backgroundColor;
  const quiet = getComputedStyle(legend).color;
  return { people: of("people"), agent: of("agent"), wait: of("wait"), mark: of("mark"), bad: of("bad"), quiet };
}
