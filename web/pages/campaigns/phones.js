// Whether phones can be called now, said before somebody counts on it.

import { html } from "../../preact.js";
import { get } from "../../api.js";
import { useAskingAgain } from "../../parts/again.js";
import { useLoaded } from "../../parts/loaded.js";

const AGAIN = { firstMs: 5_000, mostMs: 60_000 };

/** Why no phone can be called now, a sentence; null if one can. */
export async function phonesProblem(signal) {
  const { reason } = await get("/v1/telephony/status", {}, { signal });
  return reason;
}

export function NoPhones({ problem }) {
  return html`<p class="after fault" role="status">Phone calls do not work now: ${problem} <a href="/numbers">Look at Numbers</a></p>`;
}

/** The same as it is now, as long as it is shown; nothing while phones can be called. */
export function PhonesNow() {
  const { data: problem, isLoading, reload } = useLoaded(phonesProblem, []);
  useAskingAgain(true, isLoading, reload, AGAIN);
  return problem ? html`<${NoPhones} problem=${problem} />` : null;
}
