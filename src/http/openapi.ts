import { swagger } from '@elysiajs/swagger';
import { Elysia } from 'elysia';
import stylePath from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' };
import scriptPath from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' };
import { serviceVersion } from '../platform/version.ts';
import { openApiDocument } from './openapi-document.ts';

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

const documentation = {
  info: {
    title: 'Persistence Service',
    version: serviceVersion,
    description: `Keeps the sessions and tasks of a translation platform: durable when accepted, written to storage in bulk.

Bodies are JSON in UTF-8. Every answer has the header \`x-request-id\`. Every error answers with the same shape,
\`Error\`, and one \`error_code\` of a closed list; a path that is none of these answers 404 with \`ROUTE_NOT_FOUND\`.`,
    license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
  },
  servers: [{ url: '/', description: 'The service that serves this document.' }],
  tags: [
    {
      name: 'write',
      description: 'Batches of sessions and tasks, and the flush that brings them to storage.',
    },
    { name: 'translation', description: 'Sessions and tasks in storage, and what there is to go on with.' },
    { name: 'management', description: 'Deletions, clean-ups, changes of state, and statistics.' },
    { name: 'system', description: 'What an operator, a load balancer or a monitor asks.' },
    { name: 'first API', description: 'The paths of the first API, for its clients.' },
  ],
};

/** The OpenAPI document, derived from the routes and their schemas, and a page that shows it. */
export function openApi() {
  let document: ReturnType<typeof openApiDocument> | undefined;
  return (
    new Elysia({ name: 'openapi' })
      .onAfterHandle(({ route, response }) => {
        if (route !== documentPath) return undefined;
        document ??= openApiDocument(JSON.parse(JSON.stringify(response)));
        return document;
      })
      .use(
        swagger({
          path: pagePath,
          specPath: documentPath,
          exclude: [pagePath, documentPath, new RegExp(`^${pagePath}/`)],
          documentation,
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
