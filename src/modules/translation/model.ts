import type { TSchema } from '@sinclair/typebox';
import { t } from 'elysia';
import { retentionDaysMax } from '../../config/schema.ts';
import { Count, Nullable, OneOf, Time } from '../../http/answer-schemas.ts';
import { QueryInteger } from '../../http/query-schemas.ts';
import { batchRecordsMax } from '../../storage/collection.ts';
import { Choice, Clearable, Instant, Whole } from '../../storage/field.ts';
import { sortFields, sortOrders } from './listing.ts';
import { SessionId, SessionRecord, sessionStatuses, TaskId, TaskRecord, taskStatuses } from './records.ts';
import { deleteModes } from './removal.ts';

/** Fields that this version does not know are ignored: old and new clients mix. */
const openObject = { additionalProperties: true };
const oneBatch = { minItems: 1, maxItems: batchRecordsMax };
export const SessionBatch = t.Object(
  { sessions: t.Array(SessionRecord, oneBatch) },
  { ...openObject, description: 'From 1 to 1000 sessions; accepted whole or not at all.' },
);

export const TaskBatch = t.Object(
  { tasks: t.Array(TaskRecord, oneBatch) },
  { ...openObject, description: 'From 1 to 1000 tasks; accepted whole or not at all.' },
);

export const Accepted = t.Object({
  status: t.Literal('accepted'),
  count: Count('Records accepted.'),
  timestamp: Time,
});

export const Flushed = t.Object({
  status: t.Literal('flushed'),
  sessions_written: Count('Sessions written while the call waited.'),
  tasks_written: Count('Tasks written while the call waited.'),
  duration_ms: Count('How long the call waited, in milliseconds.'),
});

export const SessionParams = t.Object({ session_id: SessionId });
export const TaskParams = t.Object({ task_id: TaskId });

const fresh = {
  fresh: t.Optional(
    Choice(['true', 'false'], {
      description: 'true: first write what this instance has buffered, so that it is seen.',
    }),
  ),
};
export const FreshQuery = t.Object(fresh);

const listing = {
  ...fresh,
  page: t.Optional(QueryInteger({ description: 'Page, from 1.' })),
  page_size: t.Optional(QueryInteger({ description: 'Items a page; 20 if not given, above 100 means 100.' })),
  cursor: t.Optional(
    t.String({
      description: 'next_cursor of an earlier page, instead of page: stable and quick however deep.',
    }),
  ),
  sort_by: t.Optional(
    Choice(sortFields, { description: 'What to sort by; created_at if not given. Ties break by the id.' }),
  ),
  order: t.Optional(Choice(sortOrders, { description: 'In which direction.' })),
};
const dates = {
  from_date: t.Optional(Instant({ description: 'First accepted at this time or later.' })),
  to_date: t.Optional(
    Instant({
      description: 'First accepted at this time or earlier; a day without a time includes all of it.',
    }),
  ),
};
const taskFilters = {
  status: t.Optional(Choice(taskStatuses, { description: 'Only tasks in this state.' })),
  batch_id: t.Optional(t.String({ description: 'Only tasks of this batch.' })),
  sheet_name: t.Optional(t.String({ description: 'Only tasks of this sheet.' })),
};

export const SessionsQuery = t.Object({
  ...listing,
  ...dates,
  status: t.Optional(Choice(sessionStatuses, { description: 'Only sessions in this state.' })),
  llm_provider: t.Optional(t.String({ description: 'Only sessions with this provider.' })),
  filename: t.Optional(
    t.String({ description: 'Only sessions whose file name contains this; A to Z in either case.' }),
  ),
});
export const SessionTasksQuery = t.Object({ ...listing, ...dates, ...taskFilters });
export const TasksQuery = t.Object({
  ...SessionTasksQuery.properties,
  session_id: t.Optional(t.String({ description: 'Only tasks of this session.' })),
});

export const SessionView = t.Object({
  session_id: t.String(),
  filename: t.String(),
  file_path: t.String(),
  status: OneOf(sessionStatuses),
  game_info: Nullable<Record<string, unknown>>('object'),
  llm_provider: t.String(),
  metadata: Nullable<Record<string, unknown>>('object'),
  total_tasks: Count('Tasks in all.'),
  completed_tasks: Count('Tasks that are completed.'),
  failed_tasks: Count('Tasks that have failed.'),
  processing_tasks: Count('Tasks being processed.'),
  pending_tasks: Count('Tasks that wait: the total without the other three.'),
  progress: t.Number({ description: 'Completed tasks in percent, one decimal.' }),
  created_at: Time,
  updated_at: Time,
  estimated_completion: Nullable<string>('string', {
    format: 'date-time',
    description: 'From the pace so far, while the session is processing.',
  }),
});

export const TaskView = t.Object({
  task_id: t.String(),
  session_id: t.String(),
  batch_id: t.String(),
  sheet_name: t.String(),
  row_index: t.Integer(),
  column_name: t.String(),
  source_text: t.String(),
  target_text: Nullable<string>('string'),
  context: Nullable<string>('string'),
  status: OneOf(taskStatuses),
  confidence: Nullable<number>('number'),
  error_message: Nullable<string>('string'),
  retry_count: t.Integer(),
  start_time: Nullable<string>('string', { format: 'date-time' }),
  end_time: Nullable<string>('string', { format: 'date-time' }),
  duration_ms: Nullable<number>('integer'),
  created_at: Time,
  updated_at: Time,
});

const pageOf = <Item extends TSchema>(item: Item) => ({
  total: Count('Items that match, on all pages.'),
  page: Nullable<number>('integer', { description: 'The page; null behind a cursor.' }),
  page_size: t.Integer(),
  total_pages: Count('Pages in all.'),
  next_cursor: Nullable<string>('string', {
    description: 'Where the next page begins; null on the last one.',
  }),
  items: t.Array(item),
});

export const SessionsPage = t.Object(pageOf(SessionView));
export const TasksPage = t.Object(pageOf(TaskView));
export const SessionTasksPage = t.Object({ session_id: t.String(), ...pageOf(TaskView) });

export const IncompleteSessions = t.Object({
  count: Count('Sessions in the list.'),
  sessions: t.Array(SessionView),
});

export const RestoredSession = t.Object({
  session_id: t.String(),
  session: SessionView,
  tasks: t.Array(TaskView, { description: 'Every pending, then every processing task.' }),
  tasks_count: Count('Tasks in the list.'),
  restored_tasks_count: Count('The same, for older clients.'),
  restored_at: Time,
});

export const StatusChange = t.Object({
  status: Choice(sessionStatuses, { description: 'The state that the session is in from now on.' }),
});

export const StatusChanged = t.Object({
  session_id: t.String(),
  status: OneOf(sessionStatuses),
  updated_at: Time,
});

const mode = t.Optional(
  Choice(deleteModes, {
    description:
      'hard: the rows are gone; soft: a copy is kept until it is purged. Default: retention.delete_mode.',
  }),
);
export const DeleteQuery = t.Object({ mode });

export const Deleted = t.Object({
  status: t.Literal('deleted'),
  session_id: t.String(),
  deleted_tasks: Count('Tasks of the session, all deleted with it.'),
});

const completedDays = 'Delete sessions completed for so many days; 90 unless configured otherwise.';
const failedDays = 'Delete sessions failed for so many days; 30 unless configured otherwise.';
const dryRun = 'true: count what would be deleted, and delete nothing.';

const days = (description: string) => Clearable(Whole({ description, maximum: retentionDaysMax }));
export const CleanupRequest = t.Object({
  completed_days: days(completedDays),
  failed_days: days(failedDays),
  dry_run: t.Optional(t.Boolean({ description: dryRun })),
  mode,
});

const queryDays = (description: string) =>
  t.Optional(QueryInteger({ description, minimum: 0, maximum: retentionDaysMax }));
export const CleanupQuery = t.Object({
  completed_days: queryDays(completedDays),
  failed_days: queryDays(failedDays),
  dry_run: t.Optional(Choice(['true', 'false'], { description: dryRun })),
  mode,
});

export const CleanedUp = t.Object({
  status: t.Literal('completed'),
  deleted_sessions: Count('Sessions deleted, or with dry_run that would be.'),
  deleted_tasks: Count('Tasks deleted with them, or that would be.'),
  dry_run: t.Boolean(),
});

const statusCounts = <Status extends string>(statuses: readonly Status[]) => {
  const counts = statuses.map((status) => [status, Count(`Of these: ${status}.`)] as const);
  return t.Object({
    total: Count('All of them.'),
    ...(Object.fromEntries(counts) as Record<Status, ReturnType<typeof Count>>),
  });
};

export const Statistics = t.Object({
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
});

export const RecoveryStatus = t.Object({
  last_replay: t.Object(
    {
      finished_at: Time,
      frames: Count('Frames that storage did not have yet.'),
      records: Count('Records read back from them so far.'),
      damaged_ranges: Count('Places that could not be read; a copy of each is in journal/damaged.'),
      damaged_bytes: Count('Bytes in them.'),
      lost_frames: Count('Frames that are missing between others.'),
      unreadable_frames: Count('Undamaged frames that this version cannot read; they are in the quarantine.'),
      torn_tail: t.Boolean({ description: 'A write was cut short; it had not been acknowledged.' }),
      seconds: t.Number({ minimum: 0 }),
    },
    { description: 'What the last start found in the journal.' },
  ),
  backlog: t.Object({
    records: Count('Records in memory that storage does not have yet.'),
    on_disk_only: t.Boolean({
      description: 'A further part of the backlog is in the journal only, and not counted.',
    }),
    journal_bytes: Count('Size of the journal.'),
    oldest_seconds: Count('Age of the oldest of these records.'),
  }),
  restores: t.Object({
    started: Count('Since the start of the service.'),
    completed: Count('All tasks were taken by the client.'),
    failed: Count('Storage or the client broke off.'),
    tasks: Count('Tasks handed out.'),
    success_percent: Nullable<number>('number', { description: 'Null before the first has ended.' }),
  }),
});
