// How a voice sounds, before the agent is saved: a short text of the agent's, said by its provider.

import { html, useContext, useEffect, useRef, useState } from "../../preact.js";
import { postForFile } from "../../api.js";
import { FormFault } from "../../parts/action.js";
import { filled } from "../../parts/variables.js";
import { AgentForm } from "./form.js";

const LONGEST = 300; // characters, as the API takes them
const HOLE = "\0";
const SENTENCES = /[^.!?。！？]+(?:[.!?。！？]+|$)/gu;
// What is said by an agent whose own words cannot be: they are the call's, or there are none.
const ENGLISH = "Good afternoon, how can I help you? This is how I sound on the phone.";
const OTHERS = {
  de: "Guten Tag, wie kann ich Ihnen helfen? So klinge ich am Telefon.",
  es: "Buenas tardes, ¿en qué puedo ayudarle? Así sueno por teléfono.",
  fr: "Bonjour, comment puis-je vous aider ? Voici ma voix au téléphone.",
};

/** @param voice the voice as the agent has it. */
export function Hear({ voice }) {
  const { draft } = useContext(AgentForm);
  const [{ isBusy, error, url, text }, setState] = useState({});
  const asked = useRef(null); // what is waited for
  const forget = () => {
    asked.current = null;
    setState({});
  };
  useEffect(() => forget, [JSON.stringify(voice)]); // what was heard is another voice's
  useEffect(() => () => url && URL.revokeObjectURL(url), [url]);
  const hear = async () => {
    if (asked.current) return;
    const mine = (asked.current = { ...voice, text: sampleOf(draft) });
    setState({ isBusy: true });
    const heard = await postForFile("/v1/agents/voice-sample", mine).catch((failure) => ({ failure }));
    if (asked.current !== mine) return;
    asked.current = null;
    setState(heard.failure ? { error: heard.failure } : { url: URL.createObjectURL(heard), text: mine.text });
  };
  return html`
    <div class="hear">
      <p class="actions">
        <button type="button" aria-disabled=${isBusy ? "true" : null} onClick=${hear}>Hear it</button>
        <span class="quiet" role="status">${isBusy ? "Asking for it …" : text ? `“${text}”` : ""}</span>
      </p>
      ${url && html`<audio controls autoplay src=${url} aria-label="The voice"></audio>`}
      <${FormFault} error=${error} />
    </div>
  `;
}

/** Of the first message the sentences that are the same in every call, else a sentence in the agent's language. */
export function sampleOf({ first_message = "", language }) {
  let own = "";
  for (const [sentence] of filled(first_message, HOLE).matchAll(SENTENCES)) {
    if ((own + sentence).length > LONGEST) break;
    if (!sentence.includes(HOLE)) own += sentence;
  }
  return own.trim() || (OTHERS[language?.split("-")[0]] ?? ENGLISH);
}
