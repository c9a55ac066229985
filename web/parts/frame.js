// What surrounds every page: the brand, the navigation, who is signed in.

import { html, useEffect, useRef } from "../preact.js";
import { NAVIGATION } from "../pages.js";
import { useAddress } from "../router.js";
import { signOut } from "../session.js";
import { attempt } from "./notices.js";

export function Frame({ session, children }) {
  const { path } = useAddress();
  const nav = useRef(null);
  useEffect(() => {
    const link = nav.current.querySelector("[aria-current]");
    // On a phone the pages are one line that scrolls; the page itself is to stay where it is.
    if (link) nav.current.scrollLeft = link.offsetLeft - nav.current.offsetLeft - (nav.current.clientWidth - link.offsetWidth) / 2;
  }, [path]);
  return html`
    <a class="skip" href="#main" data-external>Skip to the page</a>
    <header class="side">
      <a class="brand" href="/"><img src="/web/icon.svg" alt="" width="26" height="26" />Callroom</a>
      <nav aria-label="Pages" ref=${nav}>
        ${NAVIGATION.map((page) => html`<a href=${page.path} aria-current=${isWithin(page.path, path) ? "page" : null}>${page.title}</a>`)}
        <a href="/docs" data-external>API</a>
      </nav>
      <div class="account">
        <span class="tenant" title="Tenant">${session.tenant.name}</span>
        <button type="button" class="plain" onClick=${() => attempt(signOut)}>Sign out</button>
      </div>
    </header>
    <main id="main" tabindex="-1">${children}</main>
  `;
}

function isWithin(page, path) {
  return page === "/" ? path === "/" : path === page || path.startsWith(`${page}/`);
}
