import { swagger } from '@elysiajs/swagger';
import { serviceVersion } from '../platform/version.ts';

/** The OpenAPI document, derived from the routes and their schemas. */
export function openApiDocument() {
  return swagger({
    path: '/docs',
    specPath: '/openapi.json',
    exclude: ['/docs', '/openapi.json'],
    documentation: {
      info: {
        title: 'Persistence Service',
        version: serviceVersion,
        description:
          'Keeps the sessions and tasks of a translation platform: durable when accepted, written to storage in bulk.',
      },
    },
  });
}
