// What is said, line by line: each grows until it is final.

import { html, useEffect, useRef, useState } from "../../preact.js";

const NEAR_END_PX = 80;

/**
 * @param segments by their sequence, as a Map.
 * @param nameOf `(segment) => text`: who said it.
 */
export function Captions({ segments, nameOf }) {
  const box = useRef(null);
  const isAtEnd = useRef(true);
  const lines = [...segments.values()].sort((one, other) => one.sequence - other.sequence);
  useEffect(() => {
    if (isAtEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [segments]);
  const scrolled = ({ target: { scrollHeight, scrollTop, clientHeight } }) => {
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  };
  return html`
    <div>
      <section class="captions" aria-label="Transcript" tabindex="0" ref=${box} onScroll=${scrolled}>
        ${lines.length === 0 && html`<p class="quiet">What is said appears here.</p>`}
        <ol>
          ${lines.map(
            (line) => html`
              <li key=${line.sequence} class="${line.speaker} ${line.is_final ? "" : "interim"}">
                <strong><bdi>${nameOf(line)}</bdi></strong>
                <p dir="auto">${line.text}</p>
              </li>
            `,
          )}
        </ol>
      </section>
      <${Announcer} ...${{ lines, nameOf }} />
    </div>
  `;
}

/** Finished lines are read out, half ones are not. */
function Announcer({ lines, nameOf }) {
  const [said, setSaid] = useState("");
  const last = lines.findLast((line) => line.is_final);
  const text = last ? `${nameOf(last)}: ${last.text}` : "";
  useEffect(() => setSaid(text), [text]);
  return html`<p class="unseen" aria-live="polite">${said}</p>`;
}
