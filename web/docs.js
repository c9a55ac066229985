// The reference of the API, drawn from the document that the server makes of its own models.

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  validatorUrl: null, // by default it asks a server on the internet
});
