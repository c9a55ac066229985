// How long answers took: it is told up to 20 s, and of what took longer only that it did.

import { seconds } from "../../format.js";

const MOST_MS = 20_000;

/** So long a percentile of some answers is, to be drawn: nothing without any. */
export function height({ count }, ms) {
  return count === 0 ? 0 : (ms ?? MOST_MS);
}

/** The same in words. */
export function write(ms) {
  if (!ms) return "";
  return ms < MOST_MS ? seconds(ms) : "20 s or more";
}
