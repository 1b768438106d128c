import { expect, test } from 'bun:test';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { aSession } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

test('a full journal: batches get 503 with Retry-After, readiness is red, the process lives', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({
    dataDir: folder.path,
    databaseUrl: 'mysql://nobody@127.0.0.1:1/none',
    environment: {
      JOURNAL_BYTES_MAX: '65536',
      SERVICE_BODY_BYTES_MAX: '49152',
      SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '0',
    },
  });
  const api = new Api(service.url);
  expect(await api.get('/health/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
  const batch = Array.from({ length: 60 }, () => aSession({ file_path: 'x'.repeat(500) }));
  for (const count of [60, 36]) expect((await api.sessions(batch.slice(0, count))).status).toBe(200);
  const refused = await api.sessions<ErrorAnswer>(batch);
  expect({ status: refused.status, code: refused.body.error_code }).toEqual({
    status: 503,
    code: 'JOURNAL_FULL',
  });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await api.get('/health/live')).body).toEqual({ status: 'alive' });
  expect(await api.get('/health')).toMatchObject({
    status: 503,
    body: { status: 'unhealthy', database: 'unhealthy' },
  });
  expect(await api.get('/health/ready')).toMatchObject({
    status: 503,
    body: { status: 'not ready', reason: 'JOURNAL_FULL' },
  });
});

test('health, metrics and configuration answer under their old and their system paths, without secrets', async () => {
  using folder = temporaryFolder();
  const environment = { DATABASE_PASSWORD: 'hunter2', BUFFER_FLUSH_INTERVAL: '7' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  for (const path of ['/health', '/api/v1/system/health']) {
    expect(await api.get(path)).toMatchObject({ status: 200, body: { status: 'healthy' } });
  }
  for (const path of ['/metrics', '/api/v1/system/metrics']) {
    const response = await fetch(`${service.url}${path}`);
    expect(response.headers.get('content-type')).toStartWith('text/plain');
    expect(await response.text()).toContain('persistence_buffer_size{type="session"} 0');
  }
  const { body } = await api.get<Record<string, Record<string, unknown>>>('/api/v1/system/config');
  expect(body.buffer).toMatchObject({ flush_interval: 7, max_buffer_size: 1000 });
  expect(body.database?.password).toBe('***');
  expect(JSON.stringify(body)).not.toContain('hunter2');
});
