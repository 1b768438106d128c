import { Elysia } from 'elysia';
import type { Accepted as AcceptedBatch } from '../../engine/intake.ts';
import { jsonParser, noBytes } from '../../http/json-body.ts';
import { streamedJson } from '../../http/json-stream.ts';
import { errorsOf } from '../../http/openapi-errors.ts';
import { pageSizeOf } from '../../http/query-schemas.ts';
import { formatSecond } from '../../platform/instant.ts';
import type { Logger } from '../../platform/logger.ts';
import { batchRecordsMax, type Collection } from '../../storage/collection.ts';
import {
  flushErrors,
  sessionBatchErrors,
  sessionIdErrors,
  taskBatchErrors,
  taskIdErrors,
} from './examples.ts';
import type { Listing } from './listing.ts';
import {
  Accepted,
  Flushed,
  FreshQuery,
  IncompleteSessions,
  RecoveryStatus,
  RestoredSession,
  SessionBatch,
  SessionParams,
  SessionsPage,
  SessionsQuery,
  SessionTasksPage,
  SessionTasksQuery,
  SessionView,
  TaskBatch,
  TaskParams,
  TasksPage,
  TasksQuery,
  TaskView,
} from './model.ts';
import { sessions, tasks } from './records.ts';
import type { TranslationService } from './service.ts';

/** The routes that write: those of `/api/v1/translation`, and the same under the prefix of the first API. */
export function writeRoutes<const Prefix extends string>(
  prefix: Prefix,
  service: TranslationService,
  bodyBytesMax: number,
  { tag, operationSuffix } = { tag: 'write', operationSuffix: '' },
) {
  const parserOf = ({ batchField }: Collection) =>
    jsonParser(bodyBytesMax, { batch: { field: batchField, recordsMax: batchRecordsMax } });
  return new Elysia({ prefix, normalize: false, tags: [tag] })
    .decorate(noBytes)
    .post(
      '/sessions/batch',
      async ({ body, bodyBytes }) =>
        acceptedAnswer(await service.acceptSessions({ records: body.sessions, bytes: bodyBytes })),
      {
        parse: parserOf(sessions),
        body: SessionBatch,
        response: { 200: Accepted },
        detail: {
          operationId: `writeSessionsBatch${operationSuffix}`,
          summary: 'Write a batch of sessions',
          description:
            'Creates or updates sessions. They are durable when the answer comes, and in storage after the next flush.',
          ...errorsOf(
            ['INVALID_JSON', 'BODY_TOO_LARGE', 'VALIDATION_FAILED', 'JOURNAL_FULL', 'JOURNAL_FAILED'],
            sessionBatchErrors,
          ),
        },
      },
    )
    .post(
      '/tasks/batch',
      async ({ body, bodyBytes }) =>
        acceptedAnswer(await service.acceptTasks({ records: body.tasks, bytes: bodyBytes })),
      {
        parse: parserOf(tasks),
        body: TaskBatch,
        response: { 200: Accepted },
        detail: {
          operationId: `writeTasksBatch${operationSuffix}`,
          summary: 'Write a batch of tasks',
          description:
            'Creates or updates tasks of sessions that exist. They are durable when the answer comes, and in storage after the next flush.',
          ...errorsOf(
            [
              'INVALID_JSON',
              'BODY_TOO_LARGE',
              'VALIDATION_FAILED',
              'SESSION_NOT_FOUND',
              'TASK_SESSION_MISMATCH',
              'JOURNAL_FULL',
              'JOURNAL_FAILED',
            ],
            taskBatchErrors,
          ),
        },
      },
    )
    .post(
      '/flush',
      async () => {
        const { written, durationMs } = await service.flush();
        return {
          status: 'flushed' as const,
          sessions_written: written.get(sessions.name) ?? 0,
          tasks_written: written.get(tasks.name) ?? 0,
          duration_ms: Math.round(durationMs),
        };
      },
      {
        response: { 200: Flushed },
        detail: {
          operationId: `flushBuffer${operationSuffix}`,
          summary: 'Write everything buffered to storage',
          description: 'Answers 200 only when everything accepted before the call is in storage.',
          ...errorsOf(['STORAGE_UNAVAILABLE', 'FLUSH_INCOMPLETE', 'FLUSH_TIMEOUT'], flushErrors),
        },
      },
    );
}

/** The other routes of `/api/v1/translation`. */
export function translationRoutes(service: TranslationService, logger: Logger) {
  return new Elysia({ prefix: '/api/v1/translation', normalize: false, tags: ['translation'] })
    .get(
      '/sessions',
      async ({ query: { fresh, ...query } }) => {
        if (fresh === 'true') await service.freshen();
        return await service.sessions(query, listingOf(query, 'desc'));
      },
      {
        query: SessionsQuery,
        response: { 200: SessionsPage },
        detail: {
          operationId: 'listSessions',
          summary: 'Sessions',
          description: 'The newest first, unless asked otherwise.',
          ...errorsOf(['VALIDATION_FAILED', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT']),
        },
      },
    )
    .get(
      '/sessions/:session_id',
      async ({ params, query: { fresh } }) => {
        if (fresh === 'true') await service.freshen();
        return await service.session(params.session_id);
      },
      {
        params: SessionParams,
        query: FreshQuery,
        response: { 200: SessionView },
        detail: {
          operationId: 'readSession',
          summary: 'One session',
          description: 'As storage has it, unless fresh=true.',
          ...errorsOf(['VALIDATION_FAILED', 'NOT_FOUND', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT']),
        },
      },
    )
    .get(
      '/sessions/:session_id/tasks',
      async ({ params, query: { fresh, ...query } }) => {
        if (fresh === 'true') await service.freshen();
        const page = await service.sessionTasks(params.session_id, query, listingOf(query, 'asc'));
        return { session_id: params.session_id, ...page };
      },
      {
        params: SessionParams,
        query: SessionTasksQuery,
        response: { 200: SessionTasksPage },
        detail: {
          operationId: 'listSessionTasks',
          summary: 'Tasks of a session',
          description: 'In the order in which they were first accepted, unless asked otherwise.',
          ...errorsOf(['VALIDATION_FAILED', 'NOT_FOUND', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT']),
        },
      },
    )
    .get(
      '/tasks',
      async ({ query: { fresh, ...query } }) => {
        if (fresh === 'true') await service.freshen();
        return await service.tasks(query, listingOf(query, 'desc'));
      },
      {
        query: TasksQuery,
        response: { 200: TasksPage },
        detail: {
          operationId: 'listTasks',
          summary: 'Tasks of all sessions',
          description: 'The newest first, unless asked otherwise.',
          ...errorsOf(['VALIDATION_FAILED', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT']),
        },
      },
    )
    .get(
      '/tasks/:task_id',
      async ({ params, query: { fresh } }) => {
        if (fresh === 'true') await service.freshen();
        return await service.task(params.task_id);
      },
      {
        params: TaskParams,
        query: FreshQuery,
        response: { 200: TaskView },
        detail: {
          operationId: 'readTask',
          summary: 'One task',
          description: 'As storage has it, unless fresh=true.',
          ...errorsOf(
            ['VALIDATION_FAILED', 'NOT_FOUND', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT'],
            taskIdErrors,
          ),
        },
      },
    )
    .get(
      '/recovery/incomplete-sessions',
      async () => {
        const found = await service.incompleteSessions();
        return { count: found.length, sessions: found };
      },
      {
        response: { 200: IncompleteSessions },
        detail: {
          operationId: 'listIncompleteSessions',
          summary: 'Sessions that are pending or processing',
          description: 'Flushes first, so that the list is complete.',
          ...errorsOf(['STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT']),
        },
      },
    )
    .get('/recovery/status', () => service.recoveryStatus(), {
      response: { 200: RecoveryStatus },
      detail: {
        operationId: 'readRecoveryStatus',
        summary: 'What was recovered: the last replay, the backlog, the restores',
        description: 'Restores are counted since the start of this instance.',
      },
    })
    .post(
      '/recovery/restore/:session_id',
      async ({ params: { session_id } }) => {
        const { session, tasks, restoredAt } = await service.restore(session_id);
        return streamedJson(
          {
            before: { session_id, session },
            list: { name: 'tasks', items: tasks },
            after: (count) => ({ tasks_count: count, restored_tasks_count: count, restored_at: restoredAt }),
          },
          { logger, what: `A restore of session ${session_id}` },
        );
      },
      {
        params: SessionParams,
        detail: {
          operationId: 'restoreSession',
          summary: 'A session with all its unfinished tasks',
          description: 'Flushes first, then streams every pending and processing task.',
          responses: {
            200: {
              description: RestoredSession.description ?? '',
              content: { 'application/json': { schema: RestoredSession as { type: 'object' } } },
            },
          },
          ...errorsOf(
            ['VALIDATION_FAILED', 'NOT_FOUND', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT'],
            sessionIdErrors,
          ),
        },
      },
    );
}

interface ListingQuery {
  page?: number | undefined;
  page_size?: number | undefined;
  cursor?: string | undefined;
  sort_by?: Listing['sortBy'] | undefined;
  order?: Listing['order'] | undefined;
}

function listingOf(
  { page, page_size, cursor, sort_by, order }: ListingQuery,
  usualOrder: Listing['order'],
): Listing {
  return {
    // The text of digits, until here.
    page: page === undefined ? undefined : Number(page),
    pageSize: pageSizeOf({ page_size }),
    cursor,
    sortBy: sort_by ?? 'created_at',
    order: order ?? usualOrder,
  };
}

function acceptedAnswer({ count, acceptedAtMs }: AcceptedBatch) {
  const timestamp = formatSecond(acceptedAtMs);
  return { status: 'accepted' as const, count, timestamp };
}
