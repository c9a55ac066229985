// <callroom-agent key="sb_publishable_…" agent="…">Questions? Talk to us.</callroom-agent>, on a page of any origin.

import { Panel } from "./caller/panel.js";
import { post } from "./caller/requests.js";

const SERVER = new URL("../", import.meta.url); // where this file came from

class CallroomAgent extends HTMLElement {
  #panel = new Panel(this, SERVER, { start: "Start the call", again: "Call again" }, () => this.#place());

  /** Taken out of the page; one that was only moved within it is there again by then. */
  async disconnectedCallback() {
    await null;
    if (!this.isConnected) await this.#panel.hangUp();
  }

  /** A new call between the agent and whoever is on this page. */
  async #place() {
    const participants = [{ transport: "webrtc", identity: `browser-${crypto.randomUUID()}` }];
    const body = { agent_id: this.getAttribute("agent"), participants, variables: this.#variables() };
    const { id, call_token: token, agent, participants: [me] } = await post(SERVER, "v1/calls", body, this.getAttribute("key"));
    return { id, token, access: me.access, participantId: me.id, agentName: agent.name, isOwn: true };
  }

  /** What fills the places in the agent's words. */
  #variables() {
    try {
      return JSON.parse(this.getAttribute("variables") ?? "{}");
    } catch (error) {
      throw new SyntaxError(`<callroom-agent>: variables is not JSON: ${error.message}`);
    }
  }
}

customElements.define("callroom-agent", CallroomAgent);
