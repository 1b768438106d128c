import { describe, expect, test } from 'bun:test';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const holding = { BUFFER_UNKNOWN_SESSION: 'hold' };

for (const storage of storages) {
  describe(`tasks that arrive before their session, with unknown_session: hold, on ${storage.name}`, () => {
    test('they are accepted, wait through flushes and a kill -9, and are stored once the session is', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const settings = { dataDir: folder.path, databaseUrl: database.url, environment: holding };
      const session = aSession();
      const early = Array.from({ length: 30 }, (_, row) => aTask(session.session_id, { row_index: row }));
      const other = aSession();
      {
        await using service = await startServiceProcess(settings);
        const api = new Api(service.url);
        expect((await api.tasks(early)).status).toBe(200);
        await api.sessions([other]);
        const { status, body } = await api.flush<ErrorAnswer & { held_tasks: number }>();
        expect([status, body.error_code, body.held_tasks]).toEqual([503, 'FLUSH_INCOMPLETE', 30]);
        expect((await api.get(`/api/v1/translation/sessions/${other.session_id}`)).status).toBe(200);
        expect((await api.tasks([{ ...early[0], target_text: 'newer' }])).status).toBe(200);
        await service.kill('SIGKILL');
      }
      await using service = await startServiceProcess(settings);
      const api = new Api(service.url);
      expect((await api.flush()).status).toBe(503);
      await api.sessions([session]);
      expect(await api.flush()).toMatchObject({
        status: 200,
        body: { sessions_written: 1, tasks_written: 30 },
      });
      const first = await api.get(`/api/v1/translation/tasks/${early[0]?.task_id}`);
      expect(first.body).toMatchObject({ target_text: 'newer', row_index: 0 });
      await service.kill('SIGTERM');
      await using again = await startServiceProcess(settings);
      expect((await new Api(again.url).get<{ buffer: object }>('/health')).body.buffer).toMatchObject({
        total_count: 0,
      });
    });
  });
}

test('a held task whose session does not arrive in time goes to the quarantine', async () => {
  using folder = temporaryFolder();
  const environment = { ...holding, BUFFER_HOLD_SECONDS_MAX: '0.001' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const api = new Api(service.url);
  expect((await api.tasks([aTask('never-sent')])).status).toBe(200);
  await waitUntil('the task is quarantined', async () => {
    await api.flush();
    const { body } = await api.get<{ quarantine: { records: number } }>('/health');
    return body.quarantine.records === 1;
  });
  expect((await api.flush()).status).toBe(200);
});
