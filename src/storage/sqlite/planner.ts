import type { Database } from 'bun:sqlite';

/**
 * What the query planner is told of each index: rows in the table, then rows for one value of its first column, of its
 * first two, and so on. They are those of a large database, told once: measured ones would depend on when the file was
 * measured, and an open connection does not see new ones. Format: https://sqlite.org/fileformat2.html#stat1tab
 */
const statistics: readonly (readonly [table: string, index: string, rows: string])[] = [
  ['translation_sessions', 'sqlite_autoindex_translation_sessions_1', '10000 1'],
  ['translation_sessions', 'idx_sessions_status', '10000 2000 2 1'],
  ['translation_sessions', 'idx_sessions_created_at', '10000 2 1'],
  ['translation_sessions', 'idx_sessions_updated_at', '10000 2 1'],
  ['translation_tasks', 'sqlite_autoindex_translation_tasks_1', '1000000 1'],
  ['translation_tasks', 'idx_tasks_session_status', '1000000 1000 300 2 1'],
  ['translation_tasks', 'idx_tasks_session_batch_id', '1000000 1000 100 2 1'],
  ['translation_tasks', 'idx_tasks_session_sheet_name', '1000000 1000 300 2 1'],
  ['translation_tasks', 'idx_tasks_session_created_at', '1000000 1000 2 1'],
  ['translation_tasks', 'idx_tasks_session_updated_at', '1000000 1000 2 1'],
  ['translation_tasks', 'idx_tasks_batch_id', '1000000 10000 2 1'],
  ['translation_tasks', 'idx_tasks_sheet_name', '1000000 100000 2 1 1'],
  ['translation_tasks', 'idx_tasks_status', '1000000 250000 2 1'],
  ['translation_tasks', 'idx_tasks_status_updated_at', '1000000 250000 2 1 1'],
  ['translation_tasks', 'idx_tasks_created_at', '1000000 2 1'],
  ['translation_tasks', 'idx_tasks_updated_at', '1000000 2 1'],
];

/** Makes the planner choose the same indexes whatever a database holds; connections opened later see it. */
export function instructPlanner(database: Database): void {
  database
    .transaction(() => {
      // Makes the table of statistics, by measuring a table of a few rows.
      database.run('ANALYZE __drizzle_migrations');
      database.run('DELETE FROM sqlite_stat1');
      const insert = database.query('INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)');
      for (const row of statistics) insert.run(...row);
    })
    .immediate();
}
