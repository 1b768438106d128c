import { t } from 'elysia';
import { retentionDaysMax } from '../../config/schema.ts';
import { Count, Nullable, OneOf, Time } from '../../http/answer-schemas.ts';
import { QueryInteger } from '../../http/query-schemas.ts';
import { Choice, Clearable, Whole } from '../../storage/field.ts';
import {
  cleanedUpExample,
  cleanupExample,
  deletedExample,
  statisticsExample,
  statusChangedExample,
} from './examples.ts';
import { sessionStatuses, taskStatuses } from './records.ts';
import { deleteModes } from './removal.ts';

export const StatusChange = t.Object(
  {
    status: Choice(sessionStatuses, {
      description: 'The state that the session is in from now on.',
      examples: ['completed'],
    }),
  },
  { title: 'StatusChange', description: 'The new state.', examples: [{ status: 'completed' }] },
);

export const StatusChanged = t.Object(
  {
    session_id: t.String(),
    status: OneOf(sessionStatuses),
    updated_at: Time,
  },
  {
    title: 'StatusChanged',
    description: 'The change is accepted and durable.',
    examples: [statusChangedExample],
  },
);

const mode = t.Optional(
  Choice(deleteModes, {
    description:
      'hard: the rows are gone; soft: a copy is kept until it is purged. Default: retention.delete_mode.',
    examples: ['hard'],
  }),
);
export const DeleteQuery = t.Object({ mode });

export const Deleted = t.Object(
  {
    status: t.Literal('deleted'),
    session_id: t.String(),
    deleted_tasks: Count('Tasks of the session, all deleted with it.'),
  },
  {
    title: 'DeletedSession',
    description: 'The session and its tasks are gone from storage.',
    examples: [deletedExample],
  },
);

const completedDays = 'Delete sessions completed for so many days; 90 unless configured otherwise.';
const failedDays = 'Delete sessions failed for so many days; 30 unless configured otherwise.';
const dryRun = 'true: count what would be deleted, and delete nothing.';

const days = (description: string, example: number) =>
  Clearable(Whole({ description, maximum: retentionDaysMax, examples: [example] }));
export const CleanupRequest = t.Object(
  {
    completed_days: days(completedDays, 90),
    failed_days: days(failedDays, 30),
    dry_run: t.Optional(t.Boolean({ description: dryRun, examples: [true] })),
    mode,
  },
  {
    title: 'CleanupRequest',
    description: 'How long to keep what; a body is not needed.',
    examples: [cleanupExample],
  },
);

const queryDays = (description: string, example: number) =>
  t.Optional(QueryInteger({ description, minimum: 0, maximum: retentionDaysMax, examples: [example] }));
export const CleanupQuery = t.Object({
  completed_days: queryDays(completedDays, 90),
  failed_days: queryDays(failedDays, 30),
  dry_run: t.Optional(Choice(['true', 'false'], { description: dryRun, examples: ['true'] })),
  mode,
});

export const CleanedUp = t.Object(
  {
    status: t.Literal('completed'),
    deleted_sessions: Count('Sessions deleted, or with dry_run that would be.'),
    deleted_tasks: Count('Tasks deleted with them, or that would be.'),
    dry_run: t.Boolean(),
  },
  { title: 'CleanedUp', description: 'The clean-up is done.', examples: [cleanedUpExample] },
);

const statusCounts = <Status extends string>(statuses: readonly Status[]) => {
  const counts = statuses.map((status) => [status, Count(`Of these: ${status}.`)] as const);
  return t.Object({
    total: Count('All of them.'),
    ...(Object.fromEntries(counts) as Record<Status, ReturnType<typeof Count>>),
  });
};

export const Statistics = t.Object(
  {
    sessions: statusCounts(sessionStatuses),
    tasks: statusCounts(taskStatuses),
    performance: t.Object({
      average_session_time: Nullable<number>('number', {
        description:
          'Seconds from the first to the last write of a completed session; null when there is none.',
      }),
      average_task_time: Nullable<number>('number', {
        description: 'Seconds that a completed task took, from its duration_ms; null when there is none.',
      }),
      success_rate: Nullable<number>('number', {
        description: 'Completed tasks in percent of those that ended, one decimal; null when there is none.',
      }),
    }),
    storage: t.Object({
      database_size_mb: t.Number({ minimum: 0, description: 'Size of the tables on disk, in MiB.' }),
      sessions_table_rows: Count('Sessions stored.'),
      tasks_table_rows: Count('Tasks stored.'),
    }),
  },
  {
    title: 'Statistics',
    description: 'How many there are, and how they fare.',
    examples: [statisticsExample],
  },
);
