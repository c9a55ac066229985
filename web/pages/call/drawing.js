// The waveform on a canvas: people above, the agent below, and on both what is on the time line.

const LANE_GAP = 10;
const RULER = 18;
const SHOWN = 2; // dots: a shorter wait is not seen among others of a long call
const SILENT = 0.5; // dots: half the height of what nobody said
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

/**
 * @param colours `{ people, agent, quiet, wait, mark, bad }`, as the page shows them now.
 * @param lanes `{ people, agent }`: loudness from 0 to 1, from the beginning to `lengthMs`, in points `stepMs` wide.
 * @param waits `[[from, until], …]` in milliseconds: where somebody waited for the agent.
 * @param marks `[{ at, isBad }, …]` in milliseconds.
 */
export function draw(canvas, { lengthMs, lanes, stepMs, waits, marks, colours }) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const x = (ms) => (lengthMs > 0 ? (ms / lengthMs) * width : 0);
  const laneHeight = (height - RULER - LANE_GAP) / 2;
  pen.globalAlpha = 0.22;
  pen.fillStyle = colours.wait;
  for (const [from, until] of waits) {
    if (x(until) - x(from) >= SHOWN) pen.fillRect(x(from), 0, x(until) - x(from), height - RULER);
  }
  pen.globalAlpha = 1;
  drawLane(pen, lanes.people, { top: 0, height: laneHeight, width, colour: colours.people, points: lengthMs / stepMs });
  drawLane(pen, lanes.agent, { top: laneHeight + LANE_GAP, height: laneHeight, width, colour: colours.agent, points: lengthMs / stepMs });
  for (const { at, isBad } of marks) {
    pen.fillStyle = isBad ? colours.bad : colours.mark;
    pen.fillRect(x(at) - 1, laneHeight + 1, 2.5, LANE_GAP - 2);
  }
  drawRuler(pen, { lengthMs, x, height, width, colour: colours.quiet });
}

/** One bar for each two dots, as high as the loudest of what it stands for. */
function drawLane(pen, loudness, { top, height, width, colour, points }) {
  pen.fillStyle = colour;
  const middle = top + height / 2;
  for (let left = 0; left < width; left += 2) {
    const [first, last] = [Math.floor((left / width) * points), Math.ceil(((left + 2) / width) * points)];
    let highest = 0;
    for (let i = first; i < last; i += 1) highest = Math.max(highest, loudness[i] ?? 0);
    const half = Math.max((highest * height) / 2, SILENT);
    pen.fillRect(left, middle - half, 1.5, 2 * half);
  }
}

function drawRuler(pen, { lengthMs, x, height, width, colour }) {
  const step = STEPS_S.find((seconds) => x(seconds * 1000) >= 64) ?? 7200;
  pen.fillStyle = colour;
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  for (let second = 0; second * 1000 <= lengthMs; second += step) {
    const left = x(second * 1000);
    pen.fillRect(left, height - RULER + 2, 1, 4);
    if (left < width - 30) pen.fillText(clock(second), left + 3, height);
  }
}

function clock(second) {
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(second / 3600);
  const minutes = Math.floor((second % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(second % 60)}` : `${minutes}:${two(second % 60)}`;
}
