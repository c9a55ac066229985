// Sign in once with a key.

import { html, useState } from "../preact.js";
import { TextField } from "../parts/field.js";
import { REFUSED, signIn } from "../session.js";

export function SignIn({ onSignedIn }) {
  const [key, setKey] = useState("");
  const [fault, setFault] = useState("");
  const [isBusy, setBusy] = useState(false);
  const submit = async (submitted) => {
    submitted.preventDefault();
    setBusy(true);
    try {
      onSignedIn(await signIn(key));
    } catch (error) {
      setFault(REFUSED[error.status] ?? error.message);
      setBusy(false);
    }
  };
  return html`
    <main class="alone">
      <form class="card" onSubmit=${submit}>
        <p class="brand"><img src="/web/icon.svg" alt="" width="32" height="32" />Callroom</p>
        <h1>Sign in</h1>
        <p>Open the address that <code>make up</code> printed, or paste a secret key of this server. It is exchanged for a
          session of this browser and kept nowhere.</p>
        <${TextField} label="Secret key" type="password" autocomplete="off" spellcheck=${false} placeholder="sb_secret_…"
          required autofocus value=${key} onValue=${setKey} />
        <p role="alert" class="fault">${fault}</p>
        <button class="primary" disabled=${isBusy}>Sign in</button>
      </form>
    </main>
  `;
}
