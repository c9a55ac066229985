// What is said: one line for each segment, which grows until it is final.

const NEAR_END_PX = 60;

export class Captions {
  #list;
  #announcer;

  /**
   * @param list the `<ol>` of the lines, which scrolls.
   * @param announcer a live region: what others have said to its end is read out, half sentences are not.
   */
  constructor(list, announcer) {
    this.#list = list;
    this.#announcer = announcer;
    list.replaceChildren();
  }

  /** Show a segment as it is now, in its place. */
  put({ sequence, speaker, participant_identity: identity, text, is_final: isFinal }, mine) {
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR_END_PX;
    const line = this.#line(sequence);
    const who = speaker === "agent" || mine ? "" : `${identity ?? "Somebody else"}: `;
    line.textContent = who + text;
    line.classList.toggle("me", mine);
    line.classList.toggle("interim", !isFinal);
    if (isFinal && !mine) this.#announcer.textContent = line.textContent;
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #line(sequence) {
    const lines = [...this.#list.children];
    const known = lines.find((line) => Number(line.dataset.sequence) === sequence);
    if (known) return known;
    const line = document.createElement("li");
    line.dataset.sequence = sequence;
    this.#list.insertBefore(line, lines.find((other) => Number(other.dataset.sequence) > sequence) ?? null);
    return line;
  }
}
