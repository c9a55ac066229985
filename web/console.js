// The console: who is signed in, and the page of this address in its frame.

import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./preact.js";
import { onSignedOut, signedIn } from "./api.js";
import { Dialog } from "./parts/dialog.js";
import { Frame } from "./parts/frame.js";
import { Failure, Waiting } from "./parts/loaded.js";
import { fail, Notices } from "./parts/notices.js";
import { findPage } from "./pages.js";
import { useAddress } from "./router.js";
import { onKeyInAddress, resume } from "./session.js";
import { KeyForm, SignIn } from "./pages/sign-in.js";

function Console() {
  const [session, setSession] = useState(undefined); // undefined: not known yet; null: nobody is signed in
  const [isOver, setOver] = useState(false); // the session; its page stays as it is, with what is typed there
  const [failed, setFailed] = useState(null);
  const begin = (found) => {
    if (!found) return;
    setSession(found);
    setOver(false);
    signedIn();
  };
  useEffect(() => {
    onSignedOut(() => setOver(true));
    resume().then(setSession, setFailed);
    onKeyInAddress(() => resume().then(begin, fail));
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
  useFocus(path, loaded.page === page);
  if (broken) return html`<${Failure} error=${broken} />`;
  if (loaded.page !== page) return html`<${Waiting} />`;
  if (loaded.error) return html`<${Failure} error=${loaded.error} />`;
  return html`<div class=${page.style && `${page.style}-page`}><${loaded.Component} key=${path} ...${params} /></div>`;
}

/** Who came to another page is in it with the keyboard and a screen reader too, and not where a link was. */
function useFocus(path, isThere) {
  const before = useRef(path);
  useEffect(() => {
    if (!isThere || before.current === path) return;
    before.current = path;
    const main = document.getElementById("main");
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true }); // a page may have chosen its own place
  }, [path, isThere]);
}

render(html`<${Console} /><${Notices} />`, document.getElementById("console"));
