// The transcript: one line for each segment, which grows until it is final.

export class Transcript {
  #list;
  #announcer;
  #agentName;
  #identity;
  #announced = new Set();

  /**
   * @param list the `<ol>` of the lines, inside the element that scrolls.
   * @param announcer a live region: finished lines are read out, half ones are not.
   */
  constructor(list, announcer, { agentName, identity }) {
    this.#list = list;
    this.#announcer = announcer;
    this.#agentName = agentName;
    this.#identity = identity;
    this.replace([]);
  }

  /** Show a segment as it is now, in its place. */
  put(segment) {
    const scroll = this.#list.parentElement;
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    const line = this.#line(segment.sequence);
    line.className = segment.speaker;
    line.classList.toggle("interim", !segment.is_final);
    const [who, text] = line.children;
    who.textContent = this.#name(segment);
    text.textContent = segment.text;
    if (segment.is_final) this.#announce(segment);
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  /** Show these segments and no other. */
  replace(segments) {
    this.#list.replaceChildren();
    for (const segment of segments) this.put(segment);
  }

  #line(sequence) {
    const lines = [...this.#list.children];
    const known = lines.find((line) => Number(line.dataset.sequence) === sequence);
    if (known) return known;
    const line = document.createElement("li");
    line.dataset.sequence = sequence;
    line.append(document.createElement("strong"), document.createElement("p"));
    const next = lines.find((other) => Number(other.dataset.sequence) > sequence);
    this.#list.insertBefore(line, next ?? null);
    return line;
  }

  #name({ speaker, participant_identity: identity }) {
    if (speaker === "agent") return this.#agentName;
    return identity === null || identity === this.#identity ? "You" : identity;
  }

  #announce(segment) {
    const line = `${this.#name(segment)}: ${segment.text}`;
    if (this.#announced.has(line)) return;
    this.#announced.add(line);
    this.#announcer.textContent = line;
  }
}
