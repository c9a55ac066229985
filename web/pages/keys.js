// Keys: secret ones for servers, publishable ones for browsers.

import { html } from "../preact.js";
import { get } from "../api.js";
import { useAgents } from "../parts/agents.js";
import { Loading, useLoaded } from "../parts/loaded.js";
import { Head } from "../parts/page.js";
import { NewPublishableKey, NewSecretKey } from "./keys/create.js";
import { PublishableKeys, SecretKeys } from "./keys/lists.js";

export default function Keys() {
  const agents = useAgents();
  const secret = useLoaded((signal) => get("/v1/auth/api-keys", {}, { signal }), []);
  const publishable = useLoaded((signal) => get("/v1/keys/publishable", {}, { signal }), []);
  return html`
    <div>
      <${Head} title="Keys" about="Whoever has a key speaks for you. Each is shown once, when it is made." />
      <section class="stack">
        <div class="head">
          <div><h2>Secret keys</h2><p>For your servers, the command line and this console. They may do everything.</p></div>
          <div class="actions"><${NewSecretKey} onCreated=${secret.reload} /></div>
        </div>
        <${Loading} ...${secret} />
        ${secret.data && html`<${SecretKeys} keys=${secret.data.keys} onChange=${secret.reload} />`}
      </section>
      <section class="stack">
        <div class="head">
          <div><h2>Publishable keys</h2><p>For pages in a browser, where anybody can read them. Each calls one agent, and no more.</p></div>
          <div class="actions"><${NewPublishableKey} agents=${agents.data ?? []} onCreated=${publishable.reload} /></div>
        </div>
        <${Loading} ...${publishable} />
        ${publishable.data && html`<${PublishableKeys} keys=${publishable.data.keys} agents=${agents.data} onChange=${publishable.reload} />`}
      </section>
    </div>
  `;
}
