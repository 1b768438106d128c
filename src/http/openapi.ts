import { swagger } from '@elysiajs/swagger';
import { Elysia } from 'elysia';
import stylePath from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' };
import scriptPath from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' };
import { serviceVersion } from '../platform/version.ts';

const documentPath = '/openapi.json';
const pagePath = '/docs';

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Persistence Service API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="${pagePath}/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="${pagePath}/swagger-ui-bundle.js"></script>
    <script src="${pagePath}/start.js"></script>
  </body>
</html>
`;

const startScript = `SwaggerUIBundle({ url: '${documentPath}', dom_id: '#swagger-ui', deepLinking: true });\n`;

/** The page may load from this service only, and nothing from anywhere else. */
const headers = {
  'content-security-policy': "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
  'cache-control': 'public, max-age=3600',
};

/** The OpenAPI document, derived from the routes and their schemas, and a page that shows it. */
export function openApi() {
  return (
    new Elysia({ name: 'openapi' })
      .use(
        swagger({
          path: pagePath,
          specPath: documentPath,
          exclude: [pagePath, documentPath, new RegExp(`^${pagePath}/`)],
          documentation: {
            info: {
              title: 'Persistence Service',
              version: serviceVersion,
              description:
                'Keeps the sessions and tasks of a translation platform: durable when accepted, written to storage in bulk.',
            },
          },
        }),
      )
      // The plugin's own page loads its parts from another host: this one, from the binary, takes its place.
      .get(pagePath, () => asset(page, 'text/html; charset=utf-8'))
      .get(`${pagePath}/start.js`, () => asset(startScript, 'text/javascript; charset=utf-8'))
      .get(`${pagePath}/swagger-ui-bundle.js`, () =>
        asset(Bun.file(scriptPath), 'text/javascript; charset=utf-8'),
      )
      .get(`${pagePath}/swagger-ui.css`, () => asset(Bun.file(stylePath), 'text/css; charset=utf-8'))
  );
}

function asset(body: string | Blob, contentType: string): Response {
  return new Response(body, { headers: { ...headers, 'content-type': contentType } });
}
