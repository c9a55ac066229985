// What somebody who calls sees: a button, then the agent's state, what is said, mute and hang up.

import { Call } from "./call.js";
import { Captions } from "./captions.js";
import { STATES } from "./states.js";
import { style } from "./style.js";
import { told } from "./told.js";

const ENDINGS = {
  agent_hung_up: "The agent hung up",
  agent_lost: "The agent was lost",
  shut_down: "The server was shut down",
  no_agent: "No agent was free",
  no_room: "The call could not be set up",
  nobody_joined: "Nobody joined in time",
  connection_lost: "The connection was lost",
  max_duration: "The call reached its longest duration",
  silence: "Nobody said anything any more",
  provider_failed: "The agent could not go on",
};
const ELSEWHERE = "You are in another call on this page. Hang up there first.";
const LOST_MICROPHONE = "The microphone is gone: the agent does not hear you.";
const BODY = `
  <section>
    <header>
      <span class="avatar" aria-hidden="true"></span>
      <div><h2><slot>Talk to us</slot></h2><p role="status" tabindex="-1"></p></div>
    </header>
    <p class="fault" role="alert" hidden></p>
    <ol tabindex="0" aria-label="What is said" hidden></ol>
    <p class="unseen" aria-live="polite"></p>
    <button class="hear" type="button" hidden>Hear the agent</button>
    <div class="buttons">
      <button class="start" type="button"></button>
      <button class="mute" type="button" aria-pressed="false" hidden>Mute</button>
      <button class="hang-up" type="button" hidden>Hang up</button>
    </div>
  </section>`;

export class Panel {
  static #talking = null; // one microphone, one call

  #server;
  #root;
  #wording;
  #findWay;
  #call = null;
  #hungUp = false;

  /**
   * @param host the element whose shadow root it fills; what stands in the element is the headline.
   * @param wording `{ start, again, refused }`: what the button says before a call and after one, without `again` there
   *     is one; and what is said when the API refuses the way in, by the code of that.
   * @param findWay as `Call.begin` takes it.
   */
  constructor(host, server, wording, findWay) {
    this.#server = server;
    this.#wording = wording;
    this.#findWay = findWay;
    this.#root = host.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [style];
    this.#root.innerHTML = BODY;
    this.#at(".start").textContent = wording.start;
    this.#at(".start").addEventListener("click", () => this.#run());
    this.#at(".hear").addEventListener("click", () => this.#call?.hear());
    this.#at(".mute").addEventListener("click", () => this.#toggleMute());
    this.#at(".hang-up").addEventListener("click", () => this.hangUp());
  }

  /** End the call, if there is one. */
  async hangUp() {
    this.#hungUp = true;
    await this.#call?.hangUp();
  }

  /** From the button to the end of the call. */
  async #run() {
    if (Panel.#talking) return this.#fault(ELSEWHERE);
    Panel.#talking = this;
    this.#hungUp = false;
    this.#fault("");
    this.#at("[role=status]").focus(); // a button that is disabled, or gone, loses it
    this.#at(".start").disabled = true;
    this.#show("connecting");
    const captions = new Captions(this.#at("ol"), this.#at("[aria-live]"));
    try {
      this.#call = await Call.begin(this.#server, () => this.#place(), {
        onState: (state) => this.#show(state),
        onSegment: (segment, mine) => captions.put(segment, mine),
        onPlayback: (canHear) => (this.#at(".hear").hidden = canHear),
        onMicrophone: (microphone) => this.#fault(microphone === "lost" ? LOST_MICROPHONE : ""),
      });
      this.#talk(true);
      if (this.#hungUp) await this.#call.hangUp(); // before there was a call
      this.#over(await this.#call.untilItsEnd());
    } catch (error) {
      this.#over(null);
      if (!this.#hungUp) this.#fault(told(error, this.#wording.refused));
    } finally {
      this.#call = Panel.#talking = null;
    }
  }

  async #place() {
    if (this.#hungUp) throw new Error("Nobody is there any more."); // the browser asked for the microphone meanwhile
    return this.#findWay();
  }

  #talk(talking) {
    for (const name of [".mute", ".hang-up"]) this.#at(name).hidden = !talking;
    this.#at(".start").hidden = talking;
    if (!talking) return;
    this.#at("ol").hidden = false;
    this.#at("h2").textContent = this.#call.agentName;
    this.#showMuted(false);
    this.#at("ol").focus(); // and not a button: whoever presses Space does not hang up by that
  }

  #over(reason) {
    const wasCall = this.#call !== null;
    if (this.#root.activeElement) this.#at("[role=status]").focus();
    this.#talk(false);
    this.#at(".start").disabled = false;
    this.#at(".start").textContent = wasCall && this.#wording.again ? this.#wording.again : this.#wording.start;
    this.#at(".start").hidden = wasCall && !this.#wording.again;
    this.#at(".hear").hidden = true;
    this.#fault("");
    this.#at(".avatar").dataset.state = "over";
    const ending = this.#hungUp ? "You hung up" : (ENDINGS[reason] ?? "The call is over");
    this.#at("[role=status]").textContent = wasCall ? ending : "";
  }

  #show(state) {
    this.#at(".avatar").dataset.state = state;
    this.#at("[role=status]").textContent = STATES[state] ?? "";
  }

  async #toggleMute() {
    const muted = this.#at(".mute").getAttribute("aria-pressed") !== "true";
    await this.#call?.mute(muted);
    this.#showMuted(muted);
  }

  #showMuted(muted) {
    this.#at(".mute").setAttribute("aria-pressed", muted);
    this.#at(".mute").textContent = muted ? "Unmute" : "Mute";
  }

  #fault(text) {
    this.#at(".fault").textContent = text;
    this.#at(".fault").hidden = text === "";
  }

  #at(selector) {
    return this.#root.querySelector(selector);
  }
}
