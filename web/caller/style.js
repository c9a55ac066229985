// How the panel looks: light and dark as the page around it is, in a shadow root, so that neither changes the other.

export const style = new CSSStyleSheet();

style.replaceSync(`
:host {
  --card: light-dark(#ffffff, #181b26);
  --line: light-dark(#e2e4ee, #2b2f40);
  --edge: light-dark(#8a8fa6, #6d7390);
  --text: light-dark(#1b1d29, #eceef8);
  --quiet: light-dark(#575c73, #a6acc4);
  --accent: light-dark(#4f46e5, #6a61f2);
  --tint: light-dark(#eeedfd, #272648);
  --bad: light-dark(#b3261e, #ff9d94);
  --bad-tint: light-dark(#fdeae8, #40201e);
  display: block; max-width: 30rem; text-align: start;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; margin: 0; }

section { display: grid; gap: 1rem; padding: 1.25rem; color: var(--text); background: var(--card); border: 1px solid var(--line); border-radius: 1rem; }
header { display: flex; align-items: center; gap: 0.875rem; min-width: 0; }
header div { min-width: 0; }
h2 { font-size: 1.0625rem; line-height: 1.35; font-weight: 650; overflow-wrap: anywhere; }
[role="status"] { color: var(--quiet); font-size: 0.9375rem; }
.fault { padding: 0.625rem 0.875rem; border-radius: 0.75rem; background: var(--bad-tint); color: var(--bad); }

ol { list-style: none; padding: 0; display: grid; gap: 0.5rem; align-content: start; max-height: 20rem; overflow-y: auto; overscroll-behavior: contain; }
li { max-width: 88%; justify-self: start; padding: 0.5rem 0.75rem; border-radius: 0.875rem; background: var(--tint); overflow-wrap: anywhere; }
li.me { justify-self: end; background: none; border: 1px solid var(--line); }
li.interim { color: var(--quiet); }

.buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
button { flex: 1; font: inherit; font-weight: 600; color: inherit; padding: 0.625rem 1rem; border: 1px solid var(--edge); border-radius: 0.75rem; background: none; cursor: pointer; }
button:disabled { opacity: 0.6; cursor: progress; }
button.start, button.hear { color: #fff; background: var(--accent); border-color: transparent; }
button.hang-up { color: #fff; background: #c9302c; border-color: transparent; }
button[aria-pressed="true"] { background: var(--tint); border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }

.avatar { flex: none; width: 2.5rem; height: 2.5rem; border-radius: 50%; background: radial-gradient(circle at 30% 25%, #a5a0ff, #4f46e5 70%); }
.avatar[data-state="connecting"], .avatar[data-state="joined"], .avatar[data-state="reconnecting"], .avatar[data-state="away"] { animation: breathe 1.6s ease-in-out infinite; }
.avatar[data-state="thinking"] { animation: breathe 0.9s ease-in-out infinite; }
.avatar[data-state="speaking"] { animation: ring 1.1s ease-out infinite; }
.avatar[data-state="over"] { filter: grayscale(1); opacity: 0.55; }
@keyframes breathe { 50% { opacity: 0.45; } }
@keyframes ring { from { box-shadow: 0 0 0 0 var(--accent); } to { box-shadow: 0 0 0 12px transparent; } }

.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) {
  * { animation: none !important; }
}
`);
