import { bigint, customType, decimal, index, int, mysqlTable, primaryKey } from 'drizzle-orm/mysql-core';

/**
 * Strings compare byte by byte, without padding: two ids are the same only if their bytes are. MySQL and MariaDB
 * have such a collation under different names; each reads only the comment that is meant for it. Saying it on
 * every column makes the tables independent of the database's own default.
 */
const characterSet =
  'CHARACTER SET utf8mb4 /*!80017 COLLATE utf8mb4_0900_bin */ /*M! COLLATE utf8mb4_nopad_bin */';

const varchar = customType<{ data: string; config: { length: number }; configRequired: true }>({
  dataType: ({ length }) => `varchar(${length}) ${characterSet}`,
});

const text = customType<{ data: string }>({ dataType: () => `text ${characterSet}` });

/** UTC, to the millisecond. Not a TIMESTAMP, which ends in January 2038. */
const instant = customType<{ data: number; driverData: string }>({
  dataType: () => 'datetime(3)',
  toDriver: datetimeOf,
  fromDriver: (value) => Date.parse(`${value.replace(' ', 'T')}Z`),
});

/** MariaDB's JSON is text with a check, MySQL's a type of its own: both take text and give text. */
const document = customType<{ data: Record<string, unknown>; driverData: string }>({
  dataType: () => 'json',
  fromDriver: (value) => JSON.parse(value) as Record<string, unknown>,
});

const envelope = {
  created_at: instant().notNull(),
  updated_at: instant().notNull(),
  version: bigint({ mode: 'number', unsigned: true }).notNull(),
};

export const translationSessions = mysqlTable(
  'translation_sessions',
  {
    session_id: varchar({ length: 36 }).primaryKey(),
    filename: varchar({ length: 255 }).notNull(),
    file_path: varchar({ length: 512 }).notNull(),
    status: varchar({ length: 20 }).notNull().default('pending'),
    game_info: document(),
    llm_provider: varchar({ length: 50 }).notNull(),
    metadata: document(),
    total_tasks: int().notNull().default(0),
    completed_tasks: int().notNull().default(0),
    failed_tasks: int().notNull().default(0),
    processing_tasks: int().notNull().default(0),
    ...envelope,
  },
  (table) => [
    index('idx_status').on(table.status, table.created_at),
    index('idx_created_at').on(table.created_at),
    index('idx_updated_at').on(table.updated_at),
  ],
);

export const translationTasks = mysqlTable(
  'translation_tasks',
  {
    task_id: varchar({ length: 64 }).primaryKey(),
    session_id: varchar({ length: 36 })
      .notNull()
      .references(() => translationSessions.session_id, { onDelete: 'cascade' }),
    batch_id: varchar({ length: 64 }).notNull(),
    sheet_name: varchar({ length: 255 }).notNull(),
    row_index: int().notNull(),
    column_name: varchar({ length: 255 }).notNull(),
    source_text: text().notNull(),
    target_text: text(),
    context: text(),
    status: varchar({ length: 20 }).notNull().default('pending'),
    confidence: decimal({ precision: 5, scale: 4, mode: 'number' }),
    error_message: text(),
    retry_count: int().notNull().default(0),
    start_time: instant(),
    end_time: instant(),
    duration_ms: int(),
    ...envelope,
  },
  (table) => [
    // Each list in its order, by an index alone; the key, by which ties break, is part of every index.
    index('idx_batch_id').on(table.batch_id, table.created_at),
    // The status is there for its condition.
    index('idx_sheet_name').on(table.sheet_name, table.created_at, table.task_id, table.status),
    index('idx_status').on(table.status, table.created_at),
    // The duration is there for its average.
    index('idx_status_updated_at').on(table.status, table.updated_at, table.task_id, table.duration_ms),
    index('idx_session_status').on(table.session_id, table.status, table.created_at),
    index('idx_session_batch_id').on(table.session_id, table.batch_id, table.created_at),
    index('idx_session_sheet_name').on(table.session_id, table.sheet_name, table.created_at),
    index('idx_session_created_at').on(table.session_id, table.created_at),
    index('idx_session_updated_at').on(table.session_id, table.updated_at),
    index('idx_created_at').on(table.created_at),
    index('idx_updated_at').on(table.updated_at),
  ],
);

/** What was deleted, so that no late write brings it back; and the records themselves where they are kept a while. */
export const deletedRecords = mysqlTable(
  'deleted_records',
  {
    collection: varchar({ length: 64 }).notNull(),
    record_key: varchar({ length: 255 }).notNull(),
    version: bigint({ mode: 'number', unsigned: true }).notNull(),
    deleted_at: instant().notNull(),
    record: document(),
  },
  (table) => [
    primaryKey({ columns: [table.collection, table.record_key] }),
    index('idx_deleted_at').on(table.deleted_at),
  ],
);

const dayMs = 86_400_000;
const twoDigits = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'));
/** Days that were written, by their number: the instants of a write are of a few. */
const days = new Map<number, string>();

/** An instant as MySQL writes it, cut to milliseconds: `2025-09-30 10:15:30.000`. */
export function datetimeOf(ms: number): string {
  const instantMs = Math.floor(ms);
  const number = Math.floor(instantMs / dayMs);
  let day = days.get(number);
  if (day === undefined) {
    day = new Date(instantMs).toISOString().slice(0, 10);
    if (days.size >= 1000) days.clear();
    days.set(number, day);
  }
  const timeMs = instantMs - number * dayMs;
  const hours = twoDigits[Math.floor(timeMs / 3_600_000)];
  const minutes = twoDigits[Math.floor(timeMs / 60_000) % 60];
  const seconds = twoDigits[Math.floor(timeMs / 1000) % 60];
  return `${day} ${hours}:${minutes}:${seconds}.${String(timeMs % 1000).padStart(3, '0')}`;
}
