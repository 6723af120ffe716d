// A file of its own, because the content security policy allows no script within the page.
window.SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", validatorUrl: null });
