import { Elysia } from 'elysia';
import redocPath from 'redoc/bundles/redoc.standalone.js' with { type: 'file' };
import swaggerStylePath from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' };
import swaggerPath from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' };
import { type StaticFile, serveStatic } from './static-file.ts';

/** Swagger UI fills the example of every parameter in; of those that may be left out, that would be a wrong request. */
const swaggerStart = `const leaveOut = ({ parameters = [] }) => {
  for (const parameter of Object.values(parameters)) if (!parameter.required) delete parameter.example;
};
fetch('/openapi.json').then((answer) => answer.json()).then((spec) => {
  leaveOut(spec.components);
  for (const path of Object.values(spec.paths)) Object.values(path).forEach(leaveOut);
  SwaggerUIBundle({ spec, dom_id: '#page', deepLinking: true });
});
`;

const redocStart = `Redoc.init('/openapi.json', { requiredPropsFirst: true }, document.getElementById('page'));\n`;

/** The one thing that Redoc's script loads from another host. With an empty image in its place, Redoc shows none. */
const redocLogo = 'https://cdn.redoc.ly/redoc/logo-mini.svg';

const files: Record<string, StaticFile> = {
  '/docs': page(
    '<link rel="stylesheet" href="/docs/swagger-ui.css">',
    '/docs/swagger-ui-bundle.js',
    '/docs/start.js',
  ),
  '/docs/start.js': script(() => swaggerStart),
  '/docs/swagger-ui-bundle.js': script(() => Bun.file(swaggerPath).text()),
  '/docs/swagger-ui.css': {
    contentType: 'text/css; charset=utf-8',
    text: () => Bun.file(swaggerStylePath).text(),
  },
  '/redoc': page('<style>body { margin: 0 }</style>', '/redoc/redoc.standalone.js', '/redoc/start.js'),
  '/redoc/start.js': script(() => redocStart),
  '/redoc/redoc.standalone.js': script(async () =>
    (await Bun.file(redocPath).text()).replaceAll(redocLogo, 'data:,'),
  ),
};

/** Two pages that show the document: one to try the API out, one to read. All that they load is in the binary. */
export function apiPages() {
  const app = new Elysia({ name: 'api-pages' });
  for (const [path, file] of Object.entries(files)) {
    const serve = serveStatic(file);
    app.get(path, ({ request }) => serve(request), { detail: { hide: true } });
  }
  return app;
}

function page(head: string, ...scripts: string[]): StaticFile {
  const text = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Persistence Service API</title>
    <link rel="icon" href="data:,">
    ${head}
  </head>
  <body>
    <div id="page"></div>
${scripts.map((path) => `    <script src="${path}"></script>`).join('\n')}
  </body>
</html>
`;
  return { contentType: 'text/html; charset=utf-8', text: () => text };
}

function script(text: StaticFile['text']): StaticFile {
  return { contentType: 'text/javascript; charset=utf-8', text };
}
