// The limit of draining into SQLite: a loop of prepared upserts, 1000 rows a transaction, with a write-ahead log that
// is synced at each commit; first all rows new, then all rows again. The rows are made beforehand. No versions are
// compared. Usage: drain-sqlite.ts DATABASE_URL RECORDS

import { Database } from 'bun:sqlite';
import { loadSession } from '../load/batches.ts';
import { taskRows } from './upsert-rows.ts';

const [databaseUrl = '', records = '1000'] = process.argv.slice(2);
const database = new Database(databaseUrl.slice('sqlite:'.length));
database.run('PRAGMA journal_mode = WAL');
database.run('PRAGMA synchronous = FULL');
database.run('PRAGMA foreign_keys = ON');
database.run(
  "INSERT INTO translation_sessions (session_id, filename, file_path, llm_provider, created_at, updated_at, version) VALUES (?, '', '', '', 1, 1, 1)",
  [loadSession.session_id],
);
const { columns, chunks } = taskRows(Number(records), (ms) => ms);
const places = columns.map(() => '?').join(', ');
const assignments = columns.map((column) => `${column} = excluded.${column}`).join(', ');
const upsert = database.query(
  `INSERT INTO translation_tasks (${columns.join(', ')}) VALUES (${places}) ON CONFLICT (task_id) DO UPDATE SET ${assignments}`,
);
const writeChunk = database.transaction((rows: (string | number | null)[][]) => {
  for (const row of rows) upsert.run(...row);
});

const startedMs = performance.now();
const before = process.cpuUsage();
for (const rows of [...chunks, ...chunks]) writeChunk.immediate(rows);
const seconds = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage(before);
const written = 2 * Number(records);
database.close();
console.log(JSON.stringify({ perSecond: written / seconds, microseconds: (user + system) / written }));
