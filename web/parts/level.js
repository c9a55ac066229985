// How loud a microphone is.

import { html, useEffect, useRef } from "../preact.js";

const EVERY_MS = 80;
const QUIET_DB = -60;

/** @param sound a `MediaStreamTrack` of audio. */
export function Level({ sound }) {
  const meter = useRef(null);
  useEffect(() => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(new MediaStream([sound])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
      meter.current.value = Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / QUIET_DB);
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
      context.close();
    };
  }, [sound]);
  return html`<meter class="level" ref=${meter} min="0" max="1" value="0" aria-label="Input level"></meter>`;
}
