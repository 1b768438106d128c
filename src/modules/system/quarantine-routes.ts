import { Elysia } from 'elysia';
import { jsonParser, noBytes } from '../../http/json-body.ts';
import { optionalBody } from '../../http/openapi-document.ts';
import { errorsOf } from '../../http/openapi-errors.ts';
import { pageSizeOf } from '../../http/query-schemas.ts';
import { ServiceError } from '../../platform/errors.ts';
import type { QuarantineService } from './quarantine.ts';
import {
  discardAllErrors,
  entryErrors,
  listErrors,
  retryAllErrors,
  retryErrors,
} from './quarantine-examples.ts';
import {
  Discarded,
  DiscardedAll,
  DiscardQuery,
  QuarantineEntry,
  QuarantineFilter,
  QuarantinePage,
  QuarantineParams,
  QuarantineQuery,
  Retried,
  RetriedAll,
  RetryRequest,
} from './quarantine-model.ts';

/** What an operator does with the records that storage refused. */
export function quarantineRoutes(quarantine: QuarantineService, bodyBytesMax: number) {
  return new Elysia({ prefix: '/api/v1/system/quarantine', normalize: false, tags: ['system'] })
    .decorate(noBytes)
    .get(
      '',
      async ({ query: { page = 1, page_size, ...filter } }) =>
        await quarantine.list(filter, { page: Number(page), pageSize: pageSizeOf({ page_size }) }),
      {
        query: QuarantineQuery,
        response: { 200: QuarantinePage },
        detail: {
          operationId: 'listQuarantine',
          summary: 'What storage refused for good',
          description: 'A page of it, the newest first, with the totals of all that matches.',
          ...errorsOf(['VALIDATION_FAILED'], listErrors),
        },
      },
    )
    .get('/:id', async ({ params }) => await quarantine.one(params.id), {
      params: QuarantineParams,
      response: { 200: QuarantineEntry },
      detail: {
        operationId: 'readQuarantineEntry',
        summary: 'One entry of the quarantine',
        description: 'Read anew from its file, which a person may have mended.',
        ...errorsOf(['NOT_FOUND'], entryErrors),
      },
    })
    .post(
      '/:id/retry',
      async ({ params: { id }, body }) => {
        await quarantine.retry(id, body.record);
        return { status: 'stored' as const, id };
      },
      {
        parse: jsonParser(bodyBytesMax, { optional: true }),
        params: QuarantineParams,
        body: RetryRequest,
        response: { 200: Retried },
        detail: {
          operationId: 'retryQuarantineEntry',
          ...optionalBody,
          summary: 'Write a quarantined record to storage again',
          description:
            'With the versions under which it was accepted: what is newer stays, what was deleted stays deleted.',
          ...errorsOf(
            [
              'INVALID_JSON',
              'BODY_TOO_LARGE',
              'VALIDATION_FAILED',
              'QUARANTINE_REFUSED',
              'NOT_FOUND',
              'STORAGE_UNAVAILABLE',
            ],
            retryErrors,
          ),
        },
      },
    )
    .post(
      '/retry',
      async ({ query, request, server }) => {
        server?.timeout(request, 0);
        return { status: 'completed' as const, ...(await quarantine.retryAll(query)) };
      },
      {
        query: QuarantineFilter,
        response: { 200: RetriedAll },
        detail: {
          operationId: 'retryQuarantine',
          summary: 'Write all quarantined records to storage again, or those that match',
          description: 'Sessions before their tasks, the oldest first. What is refused again stays.',
          ...errorsOf(['VALIDATION_FAILED', 'STORAGE_UNAVAILABLE'], retryAllErrors),
        },
      },
    )
    .delete(
      '/:id',
      async ({ params: { id } }) => {
        await quarantine.discard(id);
        return { status: 'discarded' as const, id };
      },
      {
        params: QuarantineParams,
        response: { 200: Discarded },
        detail: {
          operationId: 'discardQuarantineEntry',
          summary: 'Discard an entry of the quarantine for good',
          description: 'Whatever it is: a record, a journal frame or a damaged file.',
          ...errorsOf(['NOT_FOUND'], entryErrors),
        },
      },
    )
    .delete(
      '',
      async ({ query: { confirm, ...filter }, request, server }) => {
        if (confirm === undefined && Object.keys(filter).length === 0) throw unconfirmed();
        server?.timeout(request, 0);
        return { status: 'discarded' as const, discarded: await quarantine.discardAll(filter) };
      },
      {
        query: DiscardQuery,
        response: { 200: DiscardedAll },
        detail: {
          operationId: 'discardQuarantine',
          summary: 'Discard what matches for good',
          description: 'Without a filter it discards everything, and needs confirm=true.',
          ...errorsOf(['VALIDATION_FAILED'], discardAllErrors),
        },
      },
    );
}

function unconfirmed(): ServiceError {
  const message = 'must be true when there is no filter: everything would be discarded';
  const errors = [{ field: 'confirm', message }];
  return new ServiceError('VALIDATION_FAILED', `Invalid request: confirm ${message}`, { errors });
}
