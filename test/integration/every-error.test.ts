import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { startService } from '../../src/start.ts';
import { type Answer, Api, type ErrorAnswer } from '../support/api.ts';
import { FaultyFiles } from '../support/faulty-files.ts';
import { freePort } from '../support/free-port.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Every endpoint answers each of its errors with the status, the code and the headers that the document promises. */

type Ask = (api: Api) => Promise<Answer<ErrorAnswer>>;

/** The smallest journal, and the largest body that it takes. */
const journalBytesMax = 65_536;
const smallJournal = { JOURNAL_BYTES_MAX: String(journalBytesMax), SERVICE_BODY_BYTES_MAX: '49152' };
const nowhere = 'mysql://nobody@127.0.0.1:1/none';
const base = '/api/v1/translation';
const quarantine = '/api/v1/system/quarantine';
/** How long a deletion may wait for storage. */
const deletionLimitMs = 60_000;
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
    (api) => api.get(`${base}/stats${fresh}`),
    (api) => api.get(`${base}/recovery/incomplete-sessions`),
    (api) => api.post(`${base}/recovery/restore/${id}`),
  ];
}

/** A session is deleted, and both forms of a clean-up that deletes every session that is completed. */
function deletionsOf(id: string): Ask[] {
  return [(api) => api.delete(`${base}/sessions/${id}`), ...cleanups];
}

const cleanups: Ask[] = [
  (api) => api.post(`${base}/sessions/cleanup`, { completed_days: 0 }),
  (api) => api.delete(`${base}/sessions/cleanup?completed_days=0`),
];

/** A session gets another status, or something that is none. */
function changesOf(id: string, body: unknown = { status: 'failed' }): Ask[] {
  return [(api) => api.patch(`${base}/sessions/${id}/status`, body)];
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
  await expectAll(api, [...readsOf('s', ''), ...deletionsOf('s')], 503, 'STORAGE_UNAVAILABLE');
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
  const environment = { ...smallJournal, SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '0' };
  await using service = await startServiceProcess({
    dataDir: folder.path,
    databaseUrl: nowhere,
    environment,
  });
  const api = new Api(service.url);
  const home = aSession({ file_path: 'x'.repeat(500) });
  const sessions = [home, ...Array.from({ length: 59 }, () => aSession({ file_path: 'x'.repeat(500) }))];
  expect((await api.sessions(sessions)).status).toBe(200);
  const tasks = [aTask(home.session_id, { source_text: 'x'.repeat(40_000) })];
  await expectAll(api, batchesOf({ sessions, tasks }), 503, 'JOURNAL_FULL');
});

test('while the journal is full, what else writes to it answers JOURNAL_FULL', async () => {
  using folder = temporaryFolder();
  const environment = { ...smallJournal, BUFFER_UNKNOWN_SESSION: 'hold' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  const session = aSession({ status: 'completed' });
  await api.sessions([session]);
  expect((await api.flush()).status).toBe(200);
  // Tasks that wait for their session keep the journal full, though storage is well.
  for (const paddingMax of [40_000, Number.POSITIVE_INFINITY]) {
    const { body } = await api.get<{ journal: { bytes: number } }>('/health');
    const tasks = [aTask('later')];
    const left = journalBytesMax - body.journal.bytes - JSON.stringify({ tasks, padding: '' }).length;
    const padding = 'x'.repeat(Math.min(left, paddingMax));
    expect((await api.post(`${base}/tasks/batch`, { tasks, padding })).status).toBe(200);
  }
  const asks = [...deletionsOf(session.session_id), ...changesOf(session.session_id)];
  for (const ask of asks) await expectAll(api, [ask], 503, 'JOURNAL_FULL');
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
    const session = aSession({ status: 'completed' });
    await api.sessions([session]);
    expect((await api.flush()).status).toBe(200);
    files.fail('sync');
    const tasks = [aTask(session.session_id)];
    await expectAll(api, batchesOf({ sessions: [session], tasks }), 503, 'JOURNAL_FAILED');
    const asks = [...deletionsOf(session.session_id), ...changesOf(session.session_id)];
    for (const ask of asks) await expectAll(api, [ask], 503, 'JOURNAL_FAILED');
    expect(await api.get('/health')).toMatchObject({ status: 503, body: { journal: { state: 'failed' } } });
  } finally {
    await service.stop();
  }
});

test('one clean-up runs at a time; it and a deletion answer FLUSH_TIMEOUT when storage takes too long', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(Date.now());
  const flags = {
    'service.host': '127.0.0.1',
    'service.port': String(freePort()),
    'service.data_dir': folder.path,
    'service.shutdown_timeout_seconds': '1',
  };
  const service = await startService(loadConfig({ flags, environment: {} }), { logger: silentLogger, clock });
  using other = new Database(join(folder.path, 'persistence.sqlite'));
  try {
    const api = new Api(service.url);
    const session = aSession();
    await api.sessions([session]);
    other.run('BEGIN IMMEDIATE');
    const waits = () => clock.delaysMs.filter((delay) => delay === deletionLimitMs).length;
    for (const [count, ask] of deletionsOf(session.session_id).entries()) {
      const late = expectAll(api, [ask], 503, 'FLUSH_TIMEOUT');
      await waitUntil('it waits for storage', () => waits() === count + 1);
      if (count > 0) await expectAll(api, cleanups, 409, 'CLEANUP_RUNNING');
      clock.advance(deletionLimitMs);
      await late;
    }
  } finally {
    if (other.inTransaction) other.run('ROLLBACK');
    await service.stop();
  }
});

/** A batch of which all but the last byte was sent, with its length announced in some way. */
async function unfinishedBatch(
  url: string,
  body: string,
  announced = `Content-Length: ${body.length}`,
): Promise<{ finish(): Promise<string> }> {
  const { hostname, port } = new URL(url);
  const answered = Promise.withResolvers<string>();
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: (_, bytes) => answered.resolve(bytes.toString()) },
  });
  const isChunked = announced.startsWith('Transfer-Encoding');
  const head = `POST ${base}/sessions/batch HTTP/1.1\r\nHost: ${hostname}\r\n${announced}\r\n\r\n`;
  socket.write(`${head}${isChunked ? `${body.length.toString(16)}\r\n` : ''}${body.slice(0, -1)}`);
  return {
    finish() {
      socket.write(`${body.slice(-1)}${isChunked ? '\r\n0\r\n\r\n' : ''}`);
      return answered.promise.finally(() => socket.end());
    },
  };
}

test('more requests at a time than may be answer OVERLOADED, and none of those that an operator sends', async () => {
  using folder = temporaryFolder();
  const environment = { SERVICE_CONCURRENT_REQUESTS_MAX: '1' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  const session = aSession();
  const body = JSON.stringify({ sessions: [session] });
  const unfinished = await unfinishedBatch(service.url, body);
  await waitUntil('it is being answered', async () => (await api.get(`${base}/stats`)).status === 503);

  const asks = [
    ...batchesOf({ sessions: [session], tasks: [aTask(session.session_id)] }),
    ...flushes,
    ...readsOf('s', ''),
    ...deletionsOf('s'),
    ...changesOf('s'),
    ...[`${base}/recovery/status`, '/api/v1/persistence/stats'].map(
      (path): Ask =>
        (one) =>
          one.get(path),
    ),
  ];
  await expectAll(api, asks, 503, 'OVERLOADED');
  for (const path of ['/', '/health', '/health/ready', '/api/v1/system/config', quarantine]) {
    expect((await api.get(path)).status).toBe(200);
  }
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  expect(metrics).toContain('persistence_api_requests_in_progress 2');

  expect(await unfinished.finish()).toStartWith('HTTP/1.1 200');
  await waitUntil('others are taken again', async () => (await api.flush()).status === 200);
  expect((await api.get(`${base}/sessions/${session.session_id}`)).status).toBe(200);
});

test('larger bodies together than may be answer OVERLOADED, however few they are and however they are announced', async () => {
  using folder = temporaryFolder();
  const environment = { SERVICE_CONCURRENT_BYTES_MAX: '2048', SERVICE_BODY_BYTES_MAX: '2048' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  const session = aSession({ file_path: 'x'.repeat(500) });
  const batches = batchesOf({ sessions: [session], tasks: [aTask('s', { source_text: 'x'.repeat(500) })] });
  const body = JSON.stringify({ sessions: [session], padding: '' });
  const large = body.replace('""', `"${'x'.repeat(2048 - body.length)}"`);
  for (const announced of [
    `Content-Length: ${large.length}`,
    `Content-Length: ${large.length}\r\nContent-Length: ${large.length}`,
    'Transfer-Encoding: chunked',
  ]) {
    const unfinished = await unfinishedBatch(service.url, large, announced);
    await waitUntil('it is being answered', async () => (await api.sessions([session])).status === 503);
    await expectAll(api, batches, 503, 'OVERLOADED');
    expect(await unfinished.finish()).toStartWith('HTTP/1.1 200');
    // One as large as all may be together is taken when it comes alone.
    await waitUntil('others are taken again', async () => (await api.sessions([session])).status === 200);
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
  broken.push(...changesOf(session.session_id, '{"status": '));
  broken.push((one) => one.post(`${base}/sessions/cleanup`, '{'));
  broken.push((one) => one.post(`${quarantine}/unknown/retry`, '{'));
  await expectAll(api, broken, 400, 'INVALID_JSON');
  const large = [{ text: 'x'.repeat(2000) }];
  const tooLarge = batchesOf({ sessions: large, tasks: large });
  tooLarge.push(...changesOf(session.session_id, large));
  tooLarge.push((one) => one.post(`${base}/sessions/cleanup`, large));
  tooLarge.push((one) => one.post(`${quarantine}/unknown/retry`, large));
  await expectAll(api, tooLarge, 413, 'BODY_TOO_LARGE');
  const bad = { sessions: [{ ...session, status: 'no' }], tasks: [{ ...task, row_index: -1 }] };
  const invalid = batchesOf(bad);
  invalid.push(...changesOf(session.session_id, { status: 'no' }));
  invalid.push((one) => one.post(`${base}/sessions/cleanup`, { mode: 'no' }));
  invalid.push((one) => one.delete(`${base}/sessions/cleanup?mode=no`));
  invalid.push((one) => one.delete(`${base}/sessions/${session.session_id}?mode=no`));
  invalid.push((one) => one.get(`${base}/stats?fresh=no`));
  invalid.push((one) => one.get(`${quarantine}?page=0`));
  invalid.push((one) => one.post(`${quarantine}/unknown/retry`, { record: 'no' }));
  invalid.push((one) => one.post(`${quarantine}/retry?code=`));
  invalid.push((one) => one.delete(quarantine));
  await expectAll(api, invalid, 422, 'VALIDATION_FAILED');
  const unknown: Ask[] = [
    (one) => one.delete(`${base}/sessions/unknown`),
    (one) => one.get(`${quarantine}/unknown`),
    (one) => one.post(`${quarantine}/unknown/retry`),
    (one) => one.delete(`${quarantine}/unknown`),
  ];
  await expectAll(api, [...unknown, ...changesOf('unknown')], 404, 'NOT_FOUND');
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
