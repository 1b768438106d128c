import { index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';

/** Milliseconds since the epoch. */
const instant = () => integer({ mode: 'number' });
const document = () => text({ mode: 'json' }).$type<Record<string, unknown>>();

const envelope = {
  created_at: instant().notNull(),
  updated_at: instant().notNull(),
  version: integer({ mode: 'number' }).notNull(),
};

export const translationSessions = sqliteTable(
  'translation_sessions',
  {
    session_id: text().primaryKey(),
    filename: text().notNull(),
    file_path: text().notNull(),
    status: text().notNull().default('pending'),
    game_info: document(),
    llm_provider: text().notNull(),
    metadata: document(),
    total_tasks: integer().notNull().default(0),
    completed_tasks: integer().notNull().default(0),
    failed_tasks: integer().notNull().default(0),
    processing_tasks: integer().notNull().default(0),
    ...envelope,
  },
  (table) => [
    index('idx_sessions_status').on(table.status, table.created_at, table.session_id),
    index('idx_sessions_created_at').on(table.created_at, table.session_id),
    index('idx_sessions_updated_at').on(table.updated_at, table.session_id),
  ],
);

export const translationTasks = sqliteTable(
  'translation_tasks',
  {
    task_id: text().primaryKey(),
    session_id: text()
      .notNull()
      .references(() => translationSessions.session_id, { onDelete: 'cascade' }),
    batch_id: text().notNull(),
    sheet_name: text().notNull(),
    row_index: integer().notNull(),
    column_name: text().notNull(),
    source_text: text().notNull(),
    target_text: text(),
    context: text(),
    status: text().notNull().default('pending'),
    confidence: real(),
    error_message: text(),
    retry_count: integer().notNull().default(0),
    start_time: instant(),
    end_time: instant(),
    duration_ms: integer(),
    ...envelope,
  },
  (table) => [
    // Each list in its order, by an index alone.
    index('idx_tasks_batch_id').on(table.batch_id, table.created_at, table.task_id),
    index('idx_tasks_sheet_name').on(table.sheet_name, table.created_at, table.task_id, table.status),
    index('idx_tasks_status').on(table.status, table.created_at, table.task_id),
    // The duration is there for its average.
    index('idx_tasks_status_updated_at').on(table.status, table.updated_at, table.task_id, table.duration_ms),
    index('idx_tasks_session_status').on(table.session_id, table.status, table.created_at, table.task_id),
    index('idx_tasks_session_batch_id').on(table.session_id, table.batch_id, table.created_at, table.task_id),
    index('idx_tasks_session_sheet_name').on(
      table.session_id,
      table.sheet_name,
      table.created_at,
      table.task_id,
    ),
    index('idx_tasks_session_created_at').on(table.session_id, table.created_at, table.task_id),
    index('idx_tasks_session_updated_at').on(table.session_id, table.updated_at, table.task_id),
    index('idx_tasks_created_at').on(table.created_at, table.task_id),
    index('idx_tasks_updated_at').on(table.updated_at, table.task_id),
  ],
);

/** By table: columns of its indexes whose values hardly ever change once a row is there. */
export const steadyColumns: Readonly<Record<string, ReadonlySet<string>>> = {
  translation_sessions: new Set(['created_at']),
  translation_tasks: new Set(['session_id', 'batch_id', 'sheet_name', 'created_at']),
};

/** What was deleted, so that no late write brings it back; and the records themselves where they are kept a while. */
export const deletedRecords = sqliteTable(
  'deleted_records',
  {
    collection: text().notNull(),
    record_key: text().notNull(),
    version: integer({ mode: 'number' }).notNull(),
    deleted_at: instant().notNull(),
    record: document(),
  },
  (table) => [
    primaryKey({ columns: [table.collection, table.record_key] }),
    index('idx_deleted_records_deleted_at').on(table.deleted_at),
  ],
);
