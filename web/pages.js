// Which page stands at which address, whose style it has (web/style), and what the navigation offers.

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i; // anything else in its place could lead elsewhere in the API

const PAGES = [
  { path: "/", title: "Live", style: "lists", load: () => import("./pages/live.js") },
  { path: "/calls", title: "Calls", style: "lists", load: () => import("./pages/calls.js") },
  { path: "/calls/:id", title: "Call", style: "call", load: () => import("./pages/call.js") },
  { path: "/agents", title: "Agents", style: "agents", load: () => import("./pages/agents.js") },
  { path: "/agents/new", title: "New agent", style: "agents", load: () => import("./pages/agent.js") },
  { path: "/agents/:id", title: "Agent", style: "agents", load: () => import("./pages/agent.js") },
  { path: "/agents/:id/talk", title: "Talk", style: "talk", load: () => import("./pages/talk.js") },
  { path: "/campaigns", title: "Campaigns", style: "operations", load: () => import("./pages/campaigns.js") },
  { path: "/campaigns/new", title: "New campaign", style: "operations", load: () => import("./pages/new-campaign.js") },
  { path: "/campaigns/:batch", title: "Campaign", style: "operations", load: () => import("./pages/campaign.js") },
  { path: "/numbers", title: "Numbers", style: "operations", load: () => import("./pages/numbers.js") },
  { path: "/webhooks", title: "Webhooks", style: "operations", load: () => import("./pages/webhooks.js") },
  { path: "/webhooks/:id", title: "Webhook", style: "operations", load: () => import("./pages/webhook.js") },
  { path: "/keys", title: "Keys", style: "operations", load: () => import("./pages/keys.js") },
  { path: "/usage", title: "Usage", style: "operations", load: () => import("./pages/usage.js") },
  { path: "/health", title: "Health", style: "operations", load: () => import("./pages/health.js") },
];
const MISSING = { title: "Not found", load: () => import("./pages/missing.js") };

export const NAVIGATION = ["/", "/calls", "/agents", "/campaigns", "/numbers", "/webhooks", "/keys", "/usage", "/health"].map(
  (path) => PAGES.find((page) => page.path === path),
);

/** The page of a path and what the path names: `{ page, params }`. */
export function findPage(path) {
  for (const page of PAGES) {
    const params = match(page.path, path);
    if (params) return { page, params };
  }
  return { page: MISSING, params: {} };
}

function match(pattern, path) {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [i, part] of wanted.entries()) {
    if (part === ":id") params.id = ID.test(given[i]) ? given[i] : null;
    else if (part.startsWith(":")) params[part.slice(1)] = decoded(given[i]);
    else if (part !== given[i]) return null;
  }
  return Object.values(params).includes(null) ? null : params;
}

/** Null for what is no text, or none at all. */
function decoded(part) {
  try {
    return decodeURIComponent(part) || null;
  } catch {
    return null;
  }
}
