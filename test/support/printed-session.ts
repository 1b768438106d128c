import { expect } from 'bun:test';

/** Runs shell commands as a person would paste them, against another address, and gives back what they print. */
export async function paste(commands: string, url: string): Promise<string> {
  const shell = Bun.spawn(['bash', '-euo', 'pipefail'], {
    stdin: new Blob([commands.replaceAll('http://localhost:8001', url)]),
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const output = await new Response(shell.stdout).text();
  expect(await shell.exited).toBe(0);
  return output;
}

/** Answers, each a line of JSON. */
export function jsonLines(text: string): unknown[] {
  return text
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
}

/** Fields with times, durations, sizes of files, ids of requests and cursors, which hold a time. */
const varying = new Set([
  'timestamp',
  'created_at',
  'updated_at',
  'restored_at',
  'finished_at',
  'last_flush',
  'last_flush_time',
  'next_flush_time',
  'duration_ms',
  'average_flush_duration_ms',
  'average_session_time',
  'seconds',
  'uptime_seconds',
  'bytes',
  'journal_bytes',
  'database_size_mb',
  'request_id',
  'next_cursor',
  'version',
]);

/** What an answer says whenever it is asked: of fields that vary, the type. */
export function withoutVarying(answer: unknown): unknown {
  return JSON.parse(
    JSON.stringify(answer, (key, value: unknown) => (varying.has(key) ? typeof value : value)),
  );
}
