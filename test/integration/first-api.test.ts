import { expect, test } from 'bun:test';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const base = '/api/v1/persistence';

interface Statistics {
  buffer: Record<string, number>;
  flush_info: Record<string, string | number | null>;
  performance: Record<string, number>;
}

test('clients of the first API write, flush and see the buffer under its own paths', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path });
  const api = new Api(service.url);
  const before = (await api.get<Statistics>(`${base}/stats`)).body;
  expect(before.flush_info).toMatchObject({
    last_flush_time: null,
    flush_count_today: 0,
    average_flush_duration_ms: 0,
  });
  expect(Date.parse(String(before.flush_info.next_flush_time))).toBeGreaterThan(Date.now() - 1000);

  const session = aSession();
  const tasks = [aTask(session.session_id), aTask(session.session_id), aTask(session.session_id)];
  expect(await api.post(`${base}/sessions/batch`, { sessions: [session] })).toMatchObject({
    status: 200,
    body: {
      status: 'accepted',
      count: 1,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    },
  });
  expect((await api.post(`${base}/tasks/batch`, { tasks })).status).toBe(200);
  expect((await api.get<Statistics>(`${base}/stats`)).body.buffer).toEqual({
    sessions_count: 1,
    tasks_count: 3,
    total_count: 4,
    capacity: 1000,
    usage_percent: 0.4,
  });

  expect((await api.post(`${base}/flush`)).body).toMatchObject({
    status: 'flushed',
    sessions_written: 1,
    tasks_written: 3,
  });
  const after = (await api.get<Statistics>(`${base}/stats`)).body;
  expect(after.buffer.total_count).toBe(0);
  expect(after.flush_info.flush_count_today).toBe(1);
  expect(after.performance).toMatchObject({
    total_sessions_written: 1,
    total_tasks_written: 3,
    total_flush_count: 1,
    average_batch_size: 4,
  });
  expect((await api.get(`/api/v1/translation/tasks/${tasks[0]?.task_id}`)).status).toBe(200);
});

test('a task without its session is refused there too', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path });
  const task = aTask('test_session');
  const { status, body } = await new Api(service.url).post<ErrorAnswer>(`${base}/tasks/batch`, {
    tasks: [task],
  });
  expect({ status, code: body.error_code }).toEqual({ status: 422, code: 'SESSION_NOT_FOUND' });
});
