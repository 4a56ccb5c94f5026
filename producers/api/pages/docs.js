// A file of its own, because the page's security policy lets no script stand in it.
window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  layout: "BaseLayout",
  presets: [window.SwaggerUIBundle.presets.apis],
  showExtensions: true,
  validatorUrl: null,
});
