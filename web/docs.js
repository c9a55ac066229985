// The API reference: /openapi.json drawn by Swagger UI, tried out for whoever is signed in, with what that tenant has.

const who = document.querySelector("#who");
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

/** What the API answers; null for whoever may not ask. */
async function ask(path) {
  const answer = await fetch(path);
  return answer.ok ? answer.json() : null;
}

/** The document, in whose examples the ids of an agent and a call are those of the tenant's own newest ones. */
async function withOwnExamples(reference) {
  const [agents, calls] = await Promise.all([ask("/v1/agents?limit=1"), ask("/v1/calls?limit=1")]);
  let text = JSON.stringify(reference);
  const own = { "/v1/agents/{id}": agents?.agents[0]?.id, "/v1/calls/{id}": calls?.calls[0]?.id };
  for (const [path, id] of Object.entries(own)) {
    const example = reference.paths[path].get.parameters.find((one) => one.name === "id").example;
    text = id ? text.replaceAll(example, id) : text;
  }
  return JSON.parse(text);
}

/** The document, in which what may be changed or removed has to be named by whoever tries it: no example stands there. */
function withoutTargets({ paths, ...rest }) {
  const plain = (one) => (one.in === "path" ? { ...one, example: undefined } : one);
  const changed = ([method, operation]) =>
    method === "get" ? [method, operation] : [method, { ...operation, parameters: operation.parameters.map(plain) }];
  const each = ([path, operations]) => [path, Object.fromEntries(Object.entries(operations).map(changed))];
  return { ...rest, paths: Object.fromEntries(Object.entries(paths).map(each)) };
}

const [reference, session] = await Promise.all([ask("/openapi.json"), ask("/v1/session")]);
if (session) {
  who.textContent = `Signed in for ${session.tenant.name}: "Try it out" asks this server as you are, and does what it says.`;
} else {
  const link = Object.assign(document.createElement("a"), { href: "/", textContent: "Sign in" });
  who.append(link, ', or give a key by "Authorize", to try it out.');
}

window.SwaggerUIBundle({
  spec: withoutTargets(session ? await withOwnExamples(reference) : reference),
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // no document of ours is sent to anybody
  showMutatedRequest: false, // but the one that was asked for: that is there also where it was not sent
  requestInterceptor: (request) => {
    const { pathname } = new URL(request.url, location);
    if (["PUT", "DELETE"].includes(request.method) && !confirm(`Really send ${request.method} ${pathname}?`)) {
      throw new Error("It was not sent.");
    }
    request.headers["X-Callroom-Session"] = "1"; // the session's cookie counts for a change only beside it
    return request;
  },
});
