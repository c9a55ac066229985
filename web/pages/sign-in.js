// Sign in once with a key.

import { html, useState } from "../preact.js";
import { Submit, useSending } from "../parts/action.js";
import { TextField } from "../parts/field.js";
import { REFUSED, signIn } from "../session.js";

export function SignIn({ onSignedIn }) {
  return html`
    <main class="alone">
      <${KeyForm} onSignedIn=${onSignedIn} class="card">
        <p class="brand"><img src="/web/icon.svg" alt="" width="32" height="32" />Callroom</p>
        <h1>Sign in</h1>
        <p>Open the address that <code>make up</code> printed, or paste a secret key of this server. It is exchanged for a
          session of this browser and kept nowhere.</p>
      <//>
    </main>
  `;
}

/** Where a key is pasted, beneath what is said of it. */
export function KeyForm({ onSignedIn, children, ...more }) {
  const [key, setKey] = useState("");
  const { isBusy, error, send } = useSending(async () => onSignedIn(await signIn(key)));
  const fault = error && (REFUSED[error.status] ?? error.message);
  return html`
    <form ...${more} onSubmit=${send}>
      ${children}
      <${TextField} label="Secret key" type="password" autocomplete="off" spellcheck=${false} placeholder="sb_secret_…"
        required autofocus value=${key} onValue=${setKey} aria-invalid=${fault && "true"} aria-describedby=${fault && "key-fault"} />
      <p id="key-fault" role="alert" class="fault">${fault}</p>
      <${Submit} isBusy=${isBusy}>Sign in<//>
    </form>
  `;
}
