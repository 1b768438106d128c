import { Elysia } from 'elysia';
import type { Accepted as AcceptedBatch } from '../../engine/intake.ts';
import { jsonParser, noBytes } from '../../http/json-body.ts';
import { streamedJson } from '../../http/json-stream.ts';
import { formatInstant, formatSecond } from '../../platform/instant.ts';
import type { Logger } from '../../platform/logger.ts';
import { batchRecordsMax, type Collection } from '../../storage/collection.ts';
import type { Listing } from './listing.ts';
import {
  Accepted,
  CleanedUp,
  CleanupQuery,
  CleanupRequest,
  Deleted,
  DeleteQuery,
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
  Statistics,
  StatusChange,
  StatusChanged,
  TaskBatch,
  TaskParams,
  TasksPage,
  TasksQuery,
  TaskView,
} from './model.ts';
import { sessions, tasks } from './records.ts';
import type { DeleteMode, Removal } from './removal.ts';
import type { TranslationService } from './service.ts';

const pageSizeDefault = 20;
const pageSizeMax = 100;

/** The routes that write: those of `/api/v1/translation`, and the same under the prefix of the first API. */
export function writeRoutes<const Prefix extends string>(
  prefix: Prefix,
  service: TranslationService,
  bodyBytesMax: number,
) {
  const parserOf = ({ batchField }: Collection) =>
    jsonParser(bodyBytesMax, { batch: { field: batchField, recordsMax: batchRecordsMax } });
  return new Elysia({ prefix, normalize: false, tags: ['write'] })
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
          summary: 'Write a batch of sessions',
          description:
            'Creates or updates sessions. They are durable when the answer comes, and in storage after the next flush.',
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
          summary: 'Write a batch of tasks',
          description:
            'Creates or updates tasks of sessions that exist. They are durable when the answer comes, and in storage after the next flush.',
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
          summary: 'Write everything buffered to storage',
          description: 'Answers 200 only when everything accepted before the call is in storage.',
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
        detail: { summary: 'Sessions', description: 'The newest first, unless asked otherwise.' },
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
        detail: { summary: 'One session' },
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
          summary: 'Tasks of a session',
          description: 'In the order in which they were first accepted, unless asked otherwise.',
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
          summary: 'Tasks of all sessions',
          description: 'The newest first, unless asked otherwise.',
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
        detail: { summary: 'One task' },
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
          summary: 'Sessions that are pending or processing',
          description: 'Flushes first, so that the list is complete.',
        },
      },
    )
    .get('/recovery/status', () => service.recoveryStatus(), {
      response: { 200: RecoveryStatus },
      detail: { summary: 'What was recovered: the last replay, the backlog, the restores' },
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
          summary: 'A session with all its unfinished tasks',
          description: 'Flushes first, then streams every pending and processing task.',
          responses: {
            200: {
              description: 'The session and its tasks',
              content: { 'application/json': { schema: RestoredSession as { type: 'object' } } },
            },
          },
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
  { page, page_size = pageSizeDefault, cursor, sort_by, order }: ListingQuery,
  usualOrder: Listing['order'],
): Listing {
  return {
    // The text of digits, until here.
    page: page === undefined ? undefined : Number(page),
    pageSize: Math.min(Number(page_size), pageSizeMax),
    cursor,
    sortBy: sort_by ?? 'created_at',
    order: order ?? usualOrder,
  };
}

function acceptedAnswer({ count, acceptedAtMs }: AcceptedBatch) {
  const timestamp = formatSecond(acceptedAtMs);
  return { status: 'accepted' as const, count, timestamp };
}

/** The routes of `/api/v1/translation` that manage what is stored. */
export function managementRoutes(service: TranslationService, removal: Removal, bodyBytesMax: number) {
  return new Elysia({ prefix: '/api/v1/translation', normalize: false, tags: ['management'] })
    .decorate(noBytes)
    .delete(
      '/sessions/:session_id',
      async ({ params: { session_id }, query: { mode } }) => ({
        status: 'deleted' as const,
        session_id,
        deleted_tasks: await removal.deleteSession(session_id, mode),
      }),
      {
        params: SessionParams,
        query: DeleteQuery,
        response: { 200: Deleted },
        detail: {
          summary: 'Delete a session with all its tasks',
          description:
            'Whatever of it is stored, buffered or journaled goes, and no late write brings it back.',
        },
      },
    )
    .patch(
      '/sessions/:session_id/status',
      async ({ params: { session_id }, body: { status } }) => {
        const { acceptedAtMs } = await service.setStatus(session_id, status);
        return { session_id, status, updated_at: formatInstant(acceptedAtMs) };
      },
      {
        parse: jsonParser(bodyBytesMax),
        params: SessionParams,
        body: StatusChange,
        response: { 200: StatusChanged },
        detail: {
          summary: 'Change the state of a session',
          description:
            'Durable when the answer comes, and in storage after the next flush. A batch that was accepted before cannot undo it.',
        },
      },
    )
    .post(
      '/sessions/cleanup',
      async ({ body, request, server }) => {
        server?.timeout(request, 0);
        const { completed_days, failed_days, dry_run, mode } = body;
        return await cleanUp(removal, { completed_days, failed_days, mode, dry_run: dry_run ?? false });
      },
      {
        parse: jsonParser(bodyBytesMax, { optional: true }),
        body: CleanupRequest,
        response: { 200: CleanedUp },
        detail: cleanupDetail,
      },
    )
    .delete(
      '/sessions/cleanup',
      async ({ query, request, server }) => {
        server?.timeout(request, 0);
        const { completed_days, failed_days, dry_run, mode } = query;
        return await cleanUp(removal, { completed_days, failed_days, mode, dry_run: dry_run === 'true' });
      },
      { query: CleanupQuery, response: { 200: CleanedUp }, detail: cleanupDetail },
    )
    .get(
      '/stats',
      async ({ query: { fresh } }) => {
        if (fresh === 'true') await service.freshen();
        return await service.statistics();
      },
      {
        query: FreshQuery,
        response: { 200: Statistics },
        detail: { summary: 'How many sessions and tasks there are, and how they fare' },
      },
    );
}

const cleanupDetail = {
  summary: 'Delete the sessions whose retention has passed',
  description:
    'Completed and failed sessions, counted from their last write, with their tasks; a few at a time. Sessions in other states are kept.',
};

interface CleanupOptions {
  completed_days?: number | null | undefined;
  failed_days?: number | null | undefined;
  mode?: DeleteMode | undefined;
  dry_run: boolean;
}

async function cleanUp(removal: Removal, { completed_days, failed_days, mode, dry_run }: CleanupOptions) {
  const { retention } = removal;
  const removed = await removal.cleanUp(
    {
      ...retention,
      // A parameter of a query is the text of digits, until here.
      completedDays: Number(completed_days ?? retention.completedDays),
      failedDays: Number(failed_days ?? retention.failedDays),
      mode: mode ?? retention.mode,
    },
    dry_run,
  );
  return {
    status: 'completed' as const,
    deleted_sessions: removed.sessions,
    deleted_tasks: removed.tasks,
    dry_run,
  };
}
