import { Elysia } from 'elysia';
import { jsonParser, noBytes } from '../../http/json-body.ts';
import { optionalBody } from '../../http/openapi-document.ts';
import { errorsOf } from '../../http/openapi-errors.ts';
import { formatInstant } from '../../platform/instant.ts';
import { cleanupErrors, deleteErrors, statusErrors } from './examples.ts';
import {
  CleanedUp,
  CleanupQuery,
  CleanupRequest,
  Deleted,
  DeleteQuery,
  Statistics,
  StatusChange,
  StatusChanged,
} from './management-model.ts';
import { FreshQuery, SessionParams } from './model.ts';
import type { DeleteMode, Removal } from './removal.ts';
import type { TranslationService } from './service.ts';

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
          operationId: 'deleteSession',
          summary: 'Delete a session with all its tasks',
          description:
            'Whatever of it is stored, buffered or journaled goes, and no late write brings it back.',
          ...errorsOf(
            [
              'VALIDATION_FAILED',
              'NOT_FOUND',
              'JOURNAL_FULL',
              'JOURNAL_FAILED',
              'STORAGE_UNAVAILABLE',
              'FLUSH_TIMEOUT',
            ],
            deleteErrors,
          ),
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
          operationId: 'changeSessionStatus',
          summary: 'Change the state of a session',
          description:
            'Durable when the answer comes, and in storage after the next flush. A batch that was accepted before cannot undo it.',
          ...errorsOf(
            [
              'INVALID_JSON',
              'BODY_TOO_LARGE',
              'VALIDATION_FAILED',
              'NOT_FOUND',
              'JOURNAL_FULL',
              'JOURNAL_FAILED',
            ],
            statusErrors,
          ),
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
        detail: {
          operationId: 'cleanUpSessions',
          ...optionalBody,
          ...cleanupDetail,
          ...errorsOf(
            [
              'INVALID_JSON',
              'BODY_TOO_LARGE',
              'VALIDATION_FAILED',
              'CLEANUP_RUNNING',
              'JOURNAL_FULL',
              'JOURNAL_FAILED',
              'STORAGE_UNAVAILABLE',
              'FLUSH_TIMEOUT',
            ],
            cleanupErrors,
          ),
        },
      },
    )
    .delete(
      '/sessions/cleanup',
      async ({ query, request, server }) => {
        server?.timeout(request, 0);
        const { completed_days, failed_days, dry_run, mode } = query;
        return await cleanUp(removal, { completed_days, failed_days, mode, dry_run: dry_run === 'true' });
      },
      {
        query: CleanupQuery,
        response: { 200: CleanedUp },
        detail: {
          operationId: 'cleanUpSessionsByQuery',
          ...cleanupDetail,
          ...errorsOf(
            [
              'VALIDATION_FAILED',
              'CLEANUP_RUNNING',
              'JOURNAL_FULL',
              'JOURNAL_FAILED',
              'STORAGE_UNAVAILABLE',
              'FLUSH_TIMEOUT',
            ],
            cleanupErrors,
          ),
        },
      },
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
        detail: {
          operationId: 'readStatistics',
          summary: 'How many sessions and tasks there are, and how they fare',
          description: 'Counted in storage at the moment of the call.',
          ...errorsOf(['VALIDATION_FAILED', 'STORAGE_UNAVAILABLE', 'FLUSH_TIMEOUT']),
        },
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
