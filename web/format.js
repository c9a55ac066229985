// How the console writes times, lengths, money and phrases of states.

const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const SHOWN = 200; // characters
const NUMBER = new Intl.NumberFormat(undefined);

/** A moment (ISO 8601) in the reader's time zone. */
export function moment(text) {
  return text ? SHORT.format(new Date(text)) : "";
}

export function exactMoment(text) {
  return text ? LONG.format(new Date(text)) : "";
}

/** A text of the API in which each moment is written as the reader's. */
export function withMoments(text) {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, moment);
}

/** Seconds as `4:05` or `1:02:09`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Milliseconds as `0.92 s`. */
export function seconds(ms) {
  return ms === null || ms === undefined ? "" : `${(ms / 1000).toFixed(2)} s`;
}

/** Dollars; small amounts keep what makes them differ from nothing. */
export function money(dollars) {
  const digits = dollars !== 0 && Math.abs(dollars) < 0.1 ? 4 : 2;
  return `$${dollars.toFixed(digits)}`;
}

export function count(number) {
  return NUMBER.format(number);
}

/** How many: `plural(2, "call")` is `2 calls`. */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** The beginning of a text of somebody's own, which may be of any length. */
export function shortened(text) {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)} …` : text;
}

/** A word of the API as a reader says it: `no_answer` is `no answer`. */
export function words(name) {
  return (name ?? "").replaceAll("_", " ");
}
