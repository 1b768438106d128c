import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { startService } from '../../src/start.ts';
import { type Answer, Api, type ErrorAnswer } from '../support/api.ts';
import { FaultyFiles } from '../support/faulty-files.ts';
import { freePort } from '../support/free-port.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Every endpoint answers each of its errors with the status, the code and the headers that the document promises. */

type Ask = (api: Api) => Promise<Answer<ErrorAnswer>>;

const nowhere = 'mysql://nobody@127.0.0.1:1/none';
const base = '/api/v1/translation';
/** The writes of both APIs. */
const prefixes = [base, '/api/v1/persistence'];
const flushes = prefixes.map(
  (prefix): Ask =>
    (api) =>
      api.post(`${prefix}/flush`),
);

/** Every endpoint that reads storage; with `fresh`, after a flush. */
function readsOf(id: string, fresh: '' | '?fresh=true'): Ask[] {
  const lists = ['sessions', `sessions/${id}`, `sessions/${id}/tasks`, 'tasks', 'tasks/t'];
  return [
    ...lists.map(
      (path): Ask =>
        (api) =>
          api.get(`${base}/${path}${fresh}`),
    ),
    (api) => api.get(`${base}/recovery/incomplete-sessions`),
    (api) => api.post(`${base}/recovery/restore/${id}`),
  ];
}

/** A batch of sessions and one of tasks, under both prefixes. */
function batchesOf(records: { sessions: unknown; tasks: unknown }): Ask[] {
  return prefixes.flatMap((prefix): Ask[] => [
    (api) => api.post(`${prefix}/sessions/batch`, { sessions: records.sessions }),
    (api) => api.post(`${prefix}/tasks/batch`, { tasks: records.tasks }),
  ]);
}

test('while storage cannot be reached, reads and flushes answer STORAGE_UNAVAILABLE, and health is red', async () => {
  using folder = temporaryFolder();
  const environment = { BUFFER_FLUSH_TIMEOUT_SECONDS: '0.2', SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '0' };
  await using service = await startServiceProcess({
    dataDir: folder.path,
    databaseUrl: nowhere,
    environment,
  });
  const api = new Api(service.url);
  await expectAll(api, readsOf('s', ''), 503, 'STORAGE_UNAVAILABLE');
  await api.sessions([aSession()]);
  await api.flush();
  await waitUntil('the flusher has met the outage', async () => {
    const { body } = await api.get<{ flusher: { state: string } }>('/health');
    return body.flusher.state === 'retrying';
  });
  await expectAll(api, [...flushes, ...readsOf('s', '?fresh=true')], 503, 'STORAGE_UNAVAILABLE');
  for (const path of ['/health', '/api/v1/system/health']) {
    expect(await api.get(path)).toMatchObject({ status: 503, body: { status: 'unhealthy' } });
  }
});

test('while storage is slower than a request may wait, flushes and fresh reads answer FLUSH_TIMEOUT', async () => {
  using folder = temporaryFolder();
  const environment = { BUFFER_FLUSH_TIMEOUT_SECONDS: '0.1' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  using other = new Database(join(folder.path, 'persistence.sqlite'));
  // Storage waits for this lock much longer than the flush for storage.
  other.run('BEGIN IMMEDIATE');
  const session = aSession();
  await api.sessions([session]);
  await expectAll(api, [...flushes, ...readsOf(session.session_id, '?fresh=true')], 503, 'FLUSH_TIMEOUT');
  other.run('ROLLBACK');
  await waitUntil('everything is in storage', async () => (await api.flush()).status === 200);
  expect((await api.get(`${base}/sessions/${session.session_id}`)).status).toBe(200);
});

test('while the journal is full, batches answer JOURNAL_FULL', async () => {
  using folder = temporaryFolder();
  const environment = { JOURNAL_BYTES_MAX: '65536', SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '0' };
  await using service = await startServiceProcess({
    dataDir: folder.path,
    databaseUrl: nowhere,
    environment,
  });
  const api = new Api(service.url);
  const home = aSession({ file_path: 'x'.repeat(500) });
  const sessions = [home, ...Array.from({ length: 99 }, () => aSession({ file_path: 'x'.repeat(500) }))];
  expect((await api.sessions(sessions.slice(0, 60))).status).toBe(200);
  const tasks = [aTask(home.session_id, { source_text: 'x'.repeat(60_000) })];
  await expectAll(api, batchesOf({ sessions, tasks }), 503, 'JOURNAL_FULL');
});

test('once the disk has failed the journal, batches answer JOURNAL_FAILED', async () => {
  using folder = temporaryFolder();
  const files = new FaultyFiles();
  const flags = {
    'service.host': '127.0.0.1',
    'service.port': String(freePort()),
    'service.data_dir': folder.path,
  };
  const service = await startService(loadConfig({ flags, environment: {} }), { logger: silentLogger, files });
  try {
    const api = new Api(service.url);
    const session = aSession();
    await api.sessions([session]);
    files.fail('sync');
    const tasks = [aTask(session.session_id)];
    await expectAll(api, batchesOf({ sessions: [session], tasks }), 503, 'JOURNAL_FAILED');
    expect(await api.get('/health')).toMatchObject({ status: 503, body: { journal: { state: 'failed' } } });
  } finally {
    await service.stop();
  }
});

test('while tasks wait for their session, flushes answer FLUSH_INCOMPLETE with their number', async () => {
  using folder = temporaryFolder();
  const environment = { BUFFER_UNKNOWN_SESSION: 'hold' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  await api.tasks([aTask('later'), aTask('later')]);
  const answers = await expectAll(api, flushes, 503, 'FLUSH_INCOMPLETE');
  expect(answers).toEqual(flushes.map(() => expect.objectContaining({ held_tasks: 2 })));
});

test('what is wrong with a request is refused by every endpoint that takes it', async () => {
  using folder = temporaryFolder();
  const environment = { SERVICE_BODY_BYTES_MAX: '1024' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  const session = aSession();
  const task = aTask(session.session_id);
  const other = aSession();
  await api.sessions([session]);
  await api.sessions([other]);
  await api.tasks([task]);

  const broken = prefixes.flatMap((prefix) =>
    ['sessions', 'tasks'].map(
      (kind): Ask =>
        (one) =>
          one.post(`${prefix}/${kind}/batch`, `{"${kind}": [`),
    ),
  );
  await expectAll(api, broken, 400, 'INVALID_JSON');
  const large = [{ text: 'x'.repeat(2000) }];
  await expectAll(api, batchesOf({ sessions: large, tasks: large }), 413, 'BODY_TOO_LARGE');
  const bad = { sessions: [{ ...session, status: 'no' }], tasks: [{ ...task, row_index: -1 }] };
  await expectAll(api, batchesOf(bad), 422, 'VALIDATION_FAILED');
  const ofTasks = (tasks: unknown[]) =>
    prefixes.map(
      (prefix): Ask =>
        (one) =>
          one.post(`${prefix}/tasks/batch`, { tasks }),
    );
  await expectAll(api, ofTasks([aTask('unknown')]), 422, 'SESSION_NOT_FOUND');
  const moved = [{ ...task, session_id: other.session_id }];
  await expectAll(api, ofTasks(moved), 422, 'TASK_SESSION_MISMATCH');
  const long = 'x'.repeat(65);
  const ofIds: Ask[] = [
    ...[`sessions/${long}`, `sessions/${long}/tasks`, `tasks/${long}`].map(
      (path): Ask =>
        (one) =>
          one.get(`${base}/${path}`),
    ),
    (one) => one.post(`${base}/recovery/restore/${long}`),
  ];
  await expectAll(api, ofIds, 422, 'VALIDATION_FAILED');
});

/** Asks all of them at once; each answers with the status and the code, and when to try again if that helps. */
async function expectAll(
  api: Api,
  asks: readonly Ask[],
  status: number,
  code: string,
): Promise<ErrorAnswer[]> {
  const answers = await Promise.all(asks.map((ask) => ask(api)));
  expect(answers.map((answer) => [answer.status, answer.body.error_code])).toEqual(
    asks.map(() => [status, code]),
  );
  for (const { headers } of answers) expect(headers.has('retry-after')).toBe(status === 503);
  return answers.map(({ body }) => body);
}
