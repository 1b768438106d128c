import { swagger } from '@elysiajs/swagger';
import { Elysia } from 'elysia';
import { serviceVersion } from '../platform/version.ts';
import { openApiDocument } from './openapi-document.ts';

const documentPath = '/openapi.json';

const documentation = {
  info: {
    title: 'Persistence Service',
    version: serviceVersion,
    description: `Keeps the sessions and tasks of a translation platform: durable when accepted, written to storage in bulk.

Bodies are JSON in UTF-8. Every answer has the header \`x-request-id\`. Every error answers with the same shape,
\`Error\`, and one \`error_code\` of a closed list; a path that is none of these answers 404 with \`ROUTE_NOT_FOUND\`.

This document as a page: [/docs](/docs), to try it out, and [/redoc](/redoc), to read.`,
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

/** The OpenAPI document, derived from the routes and their schemas. */
export function openApi() {
  let document: ReturnType<typeof openApiDocument> | undefined;
  return (
    new Elysia({ name: 'openapi' })
      .onAfterHandle(({ route, response }) => {
        if (route !== documentPath) return undefined;
        document ??= openApiDocument(JSON.parse(JSON.stringify(response)));
        return document;
      })
      // The plugin's own page loads its parts from another host: another one takes its place.
      .use(swagger({ path: '/docs', specPath: documentPath, documentation }))
  );
}
