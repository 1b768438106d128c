import { Elysia } from 'elysia';
import type { Accepted as AcceptedBatch } from '../../engine/intake.ts';
import { jsonParser, noBytes } from '../../http/json-body.ts';
import { describeError } from '../../platform/errors.ts';
import { formatSecond } from '../../platform/instant.ts';
import type { Logger } from '../../platform/logger.ts';
import { batchRecordsMax, type Collection } from '../../storage/collection.ts';
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
import type { Restored, TranslationService } from './service.ts';

const pageSizeDefault = 20;
const pageSizeMax = 100;

/** The routes that write: those of `/api/v1/translation`, and the same under the prefix of the first API. */
export function writeRoutes<const Prefix extends string>(
  prefix: Prefix,
  service: TranslationService,
  bodyBytesMax: number,
) {
  const parserOf = ({ batchField }: Collection) =>
    jsonParser(bodyBytesMax, { field: batchField, recordsMax: batchRecordsMax });
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
      async ({ params }) => restoredAnswer(await service.restore(params.session_id), logger),
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

/** Characters of JSON that go out at a time. */
const streamedCharacters = 64 * 1024;

/** Streams the tasks; the count comes behind them, when it is known. */
function restoredAnswer({ session, tasks, restoredAt }: Restored, logger: Logger): Response {
  async function* json(): AsyncGenerator<string> {
    let text = `{"session_id":${JSON.stringify(session.session_id)},"session":${JSON.stringify(session)},"tasks":[`;
    let count = 0;
    for await (const task of tasks) {
      text += `${count === 0 ? '' : ','}${JSON.stringify(task)}`;
      count += 1;
      if (text.length < streamedCharacters) continue;
      yield text;
      text = '';
    }
    yield `${text}],"tasks_count":${count},"restored_tasks_count":${count},"restored_at":${JSON.stringify(restoredAt)}}`;
  }
  const parts = json();
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const part = await parts.next();
        if (part.done === true) controller.close();
        else controller.enqueue(encoder.encode(part.value));
      } catch (error) {
        // The status is out already: the client sees the connection break off.
        logger.error('A restore broke off', { sessionId: session.session_id, error: describeError(error) });
        controller.error(error);
      }
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
  return new Response(stream, { headers: { 'content-type': 'application/json' } });
}
