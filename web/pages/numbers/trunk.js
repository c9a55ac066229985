// The SIP trunk: whether phone calls work now and why not, and where they go.

import { html, useState } from "../../preact.js";
import { get, put, remove } from "../../api.js";
import { Action, FormFault, Submit, useSending } from "../../parts/action.js";
import { useAskingAgain } from "../../parts/again.js";
import { Badge } from "../../parts/badge.js";
import { confirm, Dialog } from "../../parts/dialog.js";
import { ChoiceField, faultsOf, LongField, TextField } from "../../parts/field.js";
import { Loading, useLoaded } from "../../parts/loaded.js";
import { tell } from "../../parts/notices.js";

const AGAIN = { firstMs: 3_000, mostMs: 60_000 }; // no stream tells whether phones work; a trunk is set up within seconds, or not soon
const MOODS = { pending: "live", ready: "good", failed: "bad" };

export function Trunk() {
  const [isOpen, setOpen] = useState(false);
  const loaded = useLoaded(load, []);
  const { trunk, status } = loaded.data ?? {};
  useAskingAgain(trunk ? trunk.updated_at : "none", loaded.isLoading, loaded.reload, AGAIN);
  const end = async () => {
    const detail = "No phone call comes or goes any more. Its password is forgotten.";
    if (!(await confirm("Remove the trunk?", { action: "Remove", detail }))) return;
    await remove("/v1/telephony/trunk");
    tell("The trunk is removed.");
    loaded.reload();
  };
  const saved = () => {
    setOpen(false);
    loaded.reload();
  };
  return html`
    <section class="stack">
      <div class="head">
        <div><h2>SIP trunk</h2><p>What connects you with the phone network.</p></div>
        <div class="actions">
          ${loaded.data && html`<button type="button" class=${trunk ? null : "primary"} onClick=${() => setOpen(true)}>${trunk ? "Change the trunk" : "Connect a trunk"}</button>`}
          ${trunk && html`<${Action} work=${end}>Remove the trunk<//>`}
        </div>
      </div>
      <${Loading} ...${loaded} />
      ${status && html`
        <div class="card">
          ${!loaded.error && html`<p>${status.connected ? html`<${Badge} mood="good">phone calls work<//>` : html`<${Badge} mood="warn">no phone calls<//> ${status.reason}`}</p>`}
          ${trunk && html`<${Facts} trunk=${trunk} />`}
        </div>
      `}
      ${isOpen && html`<${TrunkForm} trunk=${trunk} onClose=${() => setOpen(false)} onSaved=${saved} />`}
    </section>
  `;
}

function Facts({ trunk }) {
  return html`
    <dl class="facts">
      <div><dt>Calls go to</dt><dd>${trunk.address} over ${trunk.transport.toUpperCase()}</dd></div>
      <div><dt>In LiveKit</dt><dd><${Badge} of=${trunk.state} mood=${MOODS[trunk.state]} /> ${trunk.reason}</dd></div>
      <div><dt>Signs in as</dt><dd>${trunk.username ?? "nobody: the provider knows the address"}</dd></div>
      <div><dt>Calls come from</dt><dd>${trunk.allowed_addresses.join(", ") || (trunk.username ? "whoever signs in with the same name and password" : "nowhere: nobody can call")}</dd></div>
    </dl>
  `;
}

async function load(signal) {
  const [status, trunk] = await Promise.all([
    get("/v1/telephony/status", {}, { signal }),
    get("/v1/telephony/trunk", {}, { signal }).catch((error) => {
      if (error.status === 404) return null;
      throw error;
    }),
  ]);
  return { status, trunk };
}

const TRANSPORTS = [["udp", "UDP"], ["tcp", "TCP"], ["tls", "TLS"]];
const FIELDS = ["address", "transport", "username", "password", "allowed_addresses"];

function TrunkForm({ trunk, onClose, onSaved }) {
  const [form, setForm] = useState({
    address: trunk?.address ?? "",
    transport: trunk?.transport ?? "udp",
    username: trunk?.username ?? "",
    password: "",
    allowed: (trunk?.allowed_addresses ?? []).join("\n"),
  });
  const change = (name) => (value) => setForm((before) => ({ ...before, [name]: value }));
  const { send, isBusy, error } = useSending(async () => {
    await put("/v1/telephony/trunk", {
      address: form.address.trim(),
      transport: form.transport,
      allowed_addresses: form.allowed.split(/[\s,]+/).filter(Boolean),
      ...(form.username ? { username: form.username } : {}),
      ...(form.password ? { password: form.password } : {}),
    });
    tell("The trunk is saved.");
    onSaved();
  });
  const faults = faultsOf(error);
  const network = Object.entries(faults).find(([path]) => path.startsWith("allowed_addresses"))?.[1];
  const kept = trunk?.username ? "Empty: the one that is kept stays, as long as address and user name do." : "Never shown again.";
  return html`
    <${Dialog} title="SIP trunk" onClose=${onClose}>
      <form onSubmit=${send} autocomplete="off">
        <${TextField} label="Calls go to" help="The provider's SIP host, with a port if it wants one." placeholder="sip.example.com" fault=${faults.address} required autofocus
          value=${form.address} onValue=${change("address")} />
        <${ChoiceField} label="Transport" options=${TRANSPORTS} fault=${faults.transport} value=${form.transport} onValue=${change("transport")} />
        <div class="fields">
          <${TextField} label="User name" autocomplete="off" fault=${faults.username} value=${form.username} onValue=${change("username")} />
          <${TextField} label="Password" type="password" autocomplete="new-password" help=${kept} fault=${faults.password}
            value=${form.password} onValue=${change("password")} />
        </div>
        <${LongField} label="Calls come from" help="The provider's addresses or networks, one a line; without any, callers must sign in with the same name and password." placeholder="192.0.2.0/24" fault=${network}
          value=${form.allowed} onValue=${change("allowed")} />
        <${FormFault} error=${error} fields=${[...FIELDS, ...Object.keys(faults).filter((path) => path.startsWith("allowed_addresses"))]} />
        <p class="buttons">
          <button type="button" onClick=${onClose}>Cancel</button>
          <${Submit} isBusy=${isBusy}>Save the trunk<//>
        </p>
      </form>
    <//>
  `;
}
