import { Elysia } from 'elysia';
import { type BufferStatisticsParts, bufferStatistics } from './buffer-statistics.ts';
import { BufferStatistics } from './model.ts';

export const firstApiPrefix = '/api/v1/persistence';
/** How the document names its writes, apart from those of the translation API. */
export const firstApiNames = { tag: 'first API', operationSuffix: 'OfFirstApi' };

/** What the first API has that the others lack; its writes are those of the translation API under its own prefix. */
export function persistenceRoutes(parts: BufferStatisticsParts) {
  return new Elysia({ prefix: firstApiPrefix, normalize: false, tags: [firstApiNames.tag] }).get(
    '/stats',
    () => bufferStatistics(parts),
    {
      response: { 200: BufferStatistics },
      detail: {
        operationId: 'readBufferStatistics',
        summary: 'The buffer and its flushes',
        description: 'Counts since the start of this instance.',
      },
    },
  );
}
