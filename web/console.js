// The console: who is signed in, and the page of this address in its frame.

import { html, render, useEffect, useErrorBoundary, useState } from "./preact.js";
import { onSignedOut, signedIn } from "./api.js";
import { Dialog } from "./parts/dialog.js";
import { Frame } from "./parts/frame.js";
import { Failure, Waiting } from "./parts/loaded.js";
import { Notices } from "./parts/notices.js";
import { findPage } from "./pages.js";
import { useAddress } from "./router.js";
import { resume } from "./session.js";
import { KeyForm, SignIn } from "./pages/sign-in.js";

function Console() {
  const [session, setSession] = useState(undefined); // undefined: not known yet; null: nobody is signed in
  const [isOver, setOver] = useState(false); // the session; its page stays as it is, with what is typed there
  const [failed, setFailed] = useState(null);
  useEffect(() => {
    onSignedOut(() => setOver(true));
    resume().then(setSession, setFailed);
  }, []);
  if (failed) return html`<main class="alone"><${Failure} error=${failed} /></main>`;
  if (session === undefined) return html`<main class="alone"><${Waiting} /></main>`;
  if (session === null) return html`<${SignIn} onSignedIn=${setSession} />`;
  const goOn = (again) => {
    if (again.tenant.id !== session.tenant.id) return location.assign("/"); // nothing here is theirs
    setSession(again);
    setOver(false);
    return signedIn();
  };
  return html`
    <${Frame} session=${session}><${Page} /><//>
    ${isOver && html`<${SignInAgain} onClose=${() => setOver(false)} onSignedIn=${goOn} />`}
  `;
}

function SignInAgain({ onClose, onSignedIn }) {
  return html`
    <${Dialog} title="Sign in again" onClose=${onClose}>
      <${KeyForm} onSignedIn=${onSignedIn}><p>The session is over. What is open here stays as it is meanwhile.</p><//>
    <//>
  `;
}

/** The page of this address; its module is loaded when it is first wanted. */
function Page() {
  const { path } = useAddress();
  const { page, params } = findPage(path);
  const [loaded, setLoaded] = useState({});
  const [broken, mend] = useErrorBoundary();
  useEffect(() => {
    mend();
    document.title = `${page.title} · Callroom`;
    page.load().then((module) => setLoaded({ page, Component: module.default }), (error) => setLoaded({ page, error }));
  }, [page, path]);
  if (broken) return html`<${Failure} error=${broken} />`;
  if (loaded.page !== page) return html`<${Waiting} />`;
  if (loaded.error) return html`<${Failure} error=${loaded.error} />`;
  return html`<div class=${page.style && `${page.style}-page`}><${loaded.Component} key=${path} ...${params} /></div>`;
}

render(html`<${Console} /><${Notices} />`, document.getElementById("console"));
