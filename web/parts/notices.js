// What has just happened, said once at the edge of the page and to screen readers.

import { html, useEffect, useState } from "../preact.js";

const GOOD_MS = 5_000; // a failure stays until it is closed
let show = () => {};

/** Say that something went well: a text; one with somebody's name in it as `html`, with that in a <bdi>. */
export function tell(text) {
  show({ text, bad: false });
}

/** Say what went wrong: an `Error`, in its own words. */
export function fail(error) {
  const fields = (error.details ?? []).map(({ path, message }) => `${path}: ${message}`);
  show({ text: [error.message, ...fields].join(" "), bad: true });
}

/** Do something that a button asks for; what goes wrong is said. True if it went well. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

export function Notices() {
  const [notices, setNotices] = useState([]);
  const close = (notice) => setNotices((all) => all.filter((one) => one !== notice));
  useEffect(() => {
    show = (notice) => {
      setNotices((all) => [...all.filter((one) => one.text !== notice.text), notice].slice(-3));
      if (!notice.bad) setTimeout(() => close(notice), GOOD_MS);
    };
  }, []);
  return html`
    <div class="notices" aria-live="polite">
      ${notices.map(
        (notice) => html`
          <p key=${notice.text} class="notice ${notice.bad ? "bad" : "good"}" role=${notice.bad ? "alert" : null}>
            <span>${notice.text}</span>
            <button type="button" class="plain" aria-label="Close this notice" onClick=${() => close(notice)}>×</button>
          </p>
        `,
      )}
    </div>
  `;
}
