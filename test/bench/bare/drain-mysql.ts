// The limit of draining into MySQL: a loop of multi-row upserts, 1000 rows a statement and a transaction, over one
// connection; first all rows new, then all rows again. The rows are made beforehand. No versions are compared.
// Usage: drain-mysql.ts DATABASE_URL RECORDS

import { createConnection } from 'mysql2/promise';
import { loadSession } from '../load/batches.ts';
import { taskRows } from './upsert-rows.ts';

const [databaseUrl = '', records = '1000'] = process.argv.slice(2);
const connection = await createConnection({ uri: databaseUrl, timezone: 'Z' });
await connection.query(
  "INSERT INTO translation_sessions (session_id, filename, file_path, llm_provider, created_at, updated_at, version) VALUES (?, '', '', '', NOW(3), NOW(3), 1)",
  [loadSession.session_id],
);
const { columns, chunks } = taskRows(Number(records), (ms) =>
  new Date(ms).toISOString().slice(0, 23).replace('T', ' '),
);
const assignments = columns.map((column) => `${column} = VALUES(${column})`).join(', ');
const upsert = `INSERT INTO translation_tasks (${columns.join(', ')}) VALUES ? ON DUPLICATE KEY UPDATE ${assignments}`;

const startedMs = performance.now();
const before = process.cpuUsage();
for (const rows of [...chunks, ...chunks]) await connection.query(upsert, [rows]);
const seconds = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage(before);
const written = 2 * Number(records);
await connection.end();
console.log(JSON.stringify({ perSecond: written / seconds, microseconds: (user + system) / written }));
