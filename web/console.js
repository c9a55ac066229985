// The console: who is signed in, and the page of this address in its frame.

import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./preact.js";
import { get, onSignedOut, signedIn } from "./api.js";
import { fetched } from "./modules.js";
import { Dialog } from "./parts/dialog.js";
import { handFocusOn } from "./parts/focus.js";
import { Frame } from "./parts/frame.js";
import { Failure, Waiting } from "./parts/loaded.js";
import { fail, Notices } from "./parts/notices.js";
import { findPage } from "./pages.js";
import { useAddress } from "./router.js";
import { onKeyInAddress, onOtherTab, resume, startOver } from "./session.js";
import { KeyForm, SignIn } from "./pages/sign-in.js";

const HOUR_MS = 3_600_000;
const [ASKS, SAYS] = ["asks", "says"]; // a dialog for a key; a line, where that was closed
const AGAIN_MS = 3_000;

function Console() {
  const [session, setSession] = useState(undefined); // undefined: not known yet; null: nobody is signed in
  const [over, setOver] = useState(null); // ASKS or SAYS when the session is; its page stays, with what is typed there
  const [failed, setFailed] = useState(null);
  const shown = useRef(null);
  shown.current = session;
  const begin = (found) => {
    if (!found) return undefined;
    if (shown.current && found.tenant.id !== shown.current.tenant.id) return startOver("/"); // nothing here is theirs
    setSession(found);
    setOver(null);
    return signedIn();
  };
  useEffect(() => {
    onSignedOut((isPressed) => setOver((before) => (isPressed ? ASKS : before ?? ASKS)));
    onOtherTab((found) => (found ? begin(found) : shown.current && setOver(ASKS)));
    resume().then(setSession, setFailed);
    onKeyInAddress(() => resume().then(begin, fail));
    // A session that is asked for in the second half of its time lasts anew: a tab that stays open stays signed in.
    setInterval(() => shown.current && get("/v1/session").catch(() => {}), HOUR_MS);
  }, []);
  if (failed) return html`<main class="alone"><${Failure} error=${failed} /></main>`;
  if (session === undefined) return html`<main class="alone"><${Waiting} /></main>`;
  if (session === null) return html`<${SignIn} onSignedIn=${begin} />`;
  return html`
    <${Frame} session=${session}>
      ${over === SAYS && html`<${Over} onSignIn=${() => setOver(ASKS)} />`}
      <${Page} />
    <//>
    ${over === ASKS && html`<${SignInAgain} onClose=${() => setOver(SAYS)} onSignedIn=${begin} />`}
  `;
}

function Over({ onSignIn }) {
  return html`
    <div class="failure" role="alert">
      <p>The session is over. What is open here stays as it is.</p>
      <button type="button" onClick=${onSignIn}>Sign in</button>
    </div>
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
    let isLeft = false; // a page that was left before it was loaded may come behind the one that is wanted
    let again; // what could not be fetched is asked for until it can
    const show = (found) => isLeft || setLoaded({ page, ...found });
    const load = () =>
      fetched(page.load()).then(
        (module) => show({ Component: module.default }),
        (error) => {
          show({ error });
          if (!isLeft) again = setTimeout(load, AGAIN_MS);
        },
      );
    load();
    return () => {
      isLeft = true;
      clearTimeout(again);
    };
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

const place = document.getElementById("console");
place.replaceChildren(); // what the page says as long as this file is not there
handFocusOn();
render(html`<${Console} /><${Notices} />`, place);
