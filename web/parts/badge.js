// A word in a coloured pill: what state something is in.

import { html } from "../preact.js";
import { words } from "../format.js";

const MOODS = {
  in_progress: "live", ringing: "live", connecting: "live", queued: "quiet",
  completed: "good", failed: "bad",
  positive: "good", neutral: "quiet", negative: "bad", mixed: "quiet",
  ok: "good", degraded: "warn",
};

/** @param mood `good`, `bad`, `warn`, `live` or `quiet`; without one, what is usual for the word. */
export function Badge({ of, mood = MOODS[of] ?? "quiet", children }) {
  return of || children ? html`<span class="badge ${mood}">${children ?? words(of)}</span>` : null;
}
