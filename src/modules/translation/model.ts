import type { TSchema } from '@sinclair/typebox';
import { t } from 'elysia';
import { Count, Nullable, OneOf, Time } from '../../http/answer-schemas.ts';
import { pageQuery } from '../../http/query-schemas.ts';
import { batchRecordsMax } from '../../storage/collection.ts';
import { Choice, Instant } from '../../storage/field.ts';
import {
  acceptedExample,
  flushedExample,
  incompleteSessionsExample,
  recoveryStatusExample,
  restoredSessionExample,
  sessionBatchExample,
  sessionExample,
  sessionsPageExample,
  sessionTasksPageExample,
  taskBatchExample,
  taskExample,
  tasksPageExample,
} from './examples.ts';
import { sortFields, sortOrders } from './listing.ts';
import { SessionId, SessionRecord, sessionStatuses, TaskId, TaskRecord, taskStatuses } from './records.ts';

/** Fields that this version does not know are ignored: old and new clients mix. */
const openObject = { additionalProperties: true };
const oneBatch = { minItems: 1, maxItems: batchRecordsMax };
export const SessionBatch = t.Object(
  { sessions: t.Array(SessionRecord, oneBatch) },
  {
    ...openObject,
    title: 'SessionBatch',
    description: 'From 1 to 1000 sessions; accepted whole or not at all.',
    examples: [sessionBatchExample],
  },
);

export const TaskBatch = t.Object(
  { tasks: t.Array(TaskRecord, oneBatch) },
  {
    ...openObject,
    title: 'TaskBatch',
    description: 'From 1 to 1000 tasks; accepted whole or not at all.',
    examples: [taskBatchExample],
  },
);

export const Accepted = t.Object(
  {
    status: t.Literal('accepted'),
    count: Count('Records accepted.'),
    timestamp: Time,
  },
  {
    title: 'AcceptedBatch',
    description: 'The whole batch is accepted and durable.',
    examples: [acceptedExample],
  },
);

export const Flushed = t.Object(
  {
    status: t.Literal('flushed'),
    sessions_written: Count('Sessions written while the call waited.'),
    tasks_written: Count('Tasks written while the call waited.'),
    duration_ms: Count('How long the call waited, in milliseconds.'),
  },
  {
    title: 'Flushed',
    description: 'Everything accepted before the call is in storage.',
    examples: [flushedExample],
  },
);

export const SessionParams = t.Object({ session_id: SessionId });
export const TaskParams = t.Object({ task_id: TaskId });

const fresh = {
  fresh: t.Optional(
    Choice(['true', 'false'], {
      description: 'true: first write what this instance has buffered, so that it is seen.',
      examples: ['true'],
    }),
  ),
};
export const FreshQuery = t.Object(fresh);

/** `["created_at","desc",1759227330000,"task_001"]`, as a list writes it. */
const cursorExample = 'WyJjcmVhdGVkX2F0IiwiZGVzYyIsMTc1OTIyNzMzMDAwMCwidGFza18wMDEiXQ';

const listing = {
  ...fresh,
  ...pageQuery,
  cursor: t.Optional(
    t.String({
      description: 'next_cursor of an earlier page, instead of page: stable and quick however deep.',
      examples: [cursorExample],
    }),
  ),
  sort_by: t.Optional(
    Choice(sortFields, {
      description: 'What to sort by; created_at if not given. Ties break by the id.',
      examples: ['created_at'],
    }),
  ),
  order: t.Optional(Choice(sortOrders, { description: 'In which direction.', examples: ['desc'] })),
};
const dates = {
  from_date: t.Optional(
    Instant({ description: 'First accepted at this time or later.', examples: ['2025-09-01T00:00:00Z'] }),
  ),
  to_date: t.Optional(
    Instant({
      description: 'First accepted at this time or earlier; a day without a time includes all of it.',
      examples: ['2025-09-30T23:59:59Z'],
    }),
  ),
};
const taskFilters = {
  status: t.Optional(
    Choice(taskStatuses, { description: 'Only tasks in this state.', examples: ['pending'] }),
  ),
  batch_id: t.Optional(t.String({ description: 'Only tasks of this batch.', examples: ['batch_001'] })),
  sheet_name: t.Optional(t.String({ description: 'Only tasks of this sheet.', examples: ['Dialogue'] })),
};

export const SessionsQuery = t.Object({
  ...listing,
  ...dates,
  status: t.Optional(
    Choice(sessionStatuses, { description: 'Only sessions in this state.', examples: ['processing'] }),
  ),
  llm_provider: t.Optional(
    t.String({ description: 'Only sessions with this provider.', examples: ['openai'] }),
  ),
  filename: t.Optional(
    t.String({
      description: 'Only sessions whose file name contains this; A to Z in either case.',
      examples: ['game'],
    }),
  ),
});
export const SessionTasksQuery = t.Object({ ...listing, ...dates, ...taskFilters });
export const TasksQuery = t.Object({
  ...SessionTasksQuery.properties,
  session_id: t.Optional(
    t.String({ description: 'Only tasks of this session.', examples: [sessionExample.session_id] }),
  ),
});

export const SessionView = t.Object(
  {
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
  },
  {
    title: 'Session',
    description: 'A session in storage, with what is computed from its counters.',
    examples: [sessionExample],
  },
);

export const TaskView = t.Object(
  {
    task_id: t.String(),
    session_id: t.String(),
    batch_id: t.String(),
    sheet_name: t.String(),
    row_index: Count('Row of the cell, from 0.'),
    column_name: t.String(),
    source_text: t.String(),
    target_text: Nullable<string>('string'),
    context: Nullable<string>('string'),
    status: OneOf(taskStatuses),
    confidence: Nullable<number>('number'),
    error_message: Nullable<string>('string'),
    retry_count: Count('Attempts after the first.'),
    start_time: Nullable<string>('string', { format: 'date-time' }),
    end_time: Nullable<string>('string', { format: 'date-time' }),
    duration_ms: Nullable<number>('integer'),
    created_at: Time,
    updated_at: Time,
  },
  { title: 'Task', description: 'A task in storage.', examples: [taskExample] },
);

const pageOf = <Item extends TSchema>(item: Item) => ({
  total: Count('Items that match, on all pages.'),
  page: Nullable<number>('integer', { description: 'The page; null behind a cursor.' }),
  page_size: Count('Items a page.'),
  total_pages: Count('Pages in all.'),
  next_cursor: Nullable<string>('string', {
    description: 'Where the next page begins; null on the last one.',
  }),
  items: t.Array(item),
});

export const SessionsPage = t.Object(pageOf(SessionView), {
  title: 'SessionsPage',
  description: 'One page of sessions.',
  examples: [sessionsPageExample],
});
export const TasksPage = t.Object(pageOf(TaskView), {
  title: 'TasksPage',
  description: 'One page of tasks.',
  examples: [tasksPageExample],
});
export const SessionTasksPage = t.Object(
  { session_id: t.String(), ...pageOf(TaskView) },
  {
    title: 'SessionTasksPage',
    description: 'One page of the tasks of a session.',
    examples: [sessionTasksPageExample],
  },
);

export const IncompleteSessions = t.Object(
  {
    count: Count('Sessions in the list.'),
    sessions: t.Array(SessionView),
  },
  {
    title: 'IncompleteSessions',
    description: 'Every session that is pending or processing.',
    examples: [incompleteSessionsExample],
  },
);

export const RestoredSession = t.Object(
  {
    session_id: t.String(),
    session: SessionView,
    tasks: t.Array(TaskView, { description: 'Every pending, then every processing task.' }),
    tasks_count: Count('Tasks in the list.'),
    restored_tasks_count: Count('The same, for older clients.'),
    restored_at: Time,
  },
  {
    title: 'RestoredSession',
    description: 'The session and its unfinished tasks.',
    examples: [restoredSessionExample],
  },
);

export const RecoveryStatus = t.Object(
  {
    last_replay: t.Object(
      {
        finished_at: Time,
        frames: Count('Frames that storage did not have yet.'),
        records: Count('Records read back from them so far.'),
        damaged_ranges: Count('Places that could not be read; a copy of each is in journal/damaged.'),
        damaged_bytes: Count('Bytes in them.'),
        lost_frames: Count('Frames that are missing between others.'),
        unreadable_frames: Count(
          'Undamaged frames that this version cannot read; they are in the quarantine.',
        ),
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
  },
  {
    title: 'RecoveryStatus',
    description: 'What was recovered, and what there is to recover.',
    examples: [recoveryStatusExample],
  },
);
