// The API reference: /openapi.json drawn by Swagger UI, with the key of this tab filled in.

import { takeKey } from "./key.js";

const key = takeKey();

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const reference = window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // no document of ours is sent to anybody
  onComplete: () => key && reference.preauthorizeApiKey("secretKey", key),
});
