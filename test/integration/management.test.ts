import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { TaskRecord } from '../../src/modules/translation/records.ts';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceHere } from '../support/service-here.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const base = '/api/v1/translation';
const dayMs = 86_400_000;

interface Deleted {
  status: string;
  session_id: string;
  deleted_tasks: number;
}

interface CleanedUp {
  status: string;
  deleted_sessions: number;
  deleted_tasks: number;
  dry_run: boolean;
}

const tasksOf = (sessionId: string, count: number, fields: Partial<TaskRecord> = {}): TaskRecord[] =>
  Array.from({ length: count }, (_, row) => aTask(sessionId, { row_index: row, ...fields }));

for (const storage of storages) {
  describe(`deleting a session on ${storage.name}`, () => {
    test('takes its tasks with it, the stored and the buffered, and counts each once', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      await using service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url });
      const api = new Api(service.url);
      const [session, other] = [aSession(), aSession()];
      const stored = tasksOf(session.session_id, 600);
      await api.sessions([session, other]);
      await api.tasks(stored);
      await api.tasks(tasksOf(other.session_id, 3));
      await api.flush();
      const updated = stored.slice(0, 50).map((task) => ({ ...task, status: 'completed' as const }));
      await api.tasks([...updated, ...tasksOf(session.session_id, 70)]);

      const path = `${base}/sessions/${session.session_id}`;
      expect(await api.delete<Deleted>(path)).toMatchObject({
        status: 200,
        body: { status: 'deleted', session_id: session.session_id, deleted_tasks: 670 },
      });
      expect((await api.get(path)).status).toBe(404);
      expect((await api.get(`${base}/tasks/${stored[0]?.task_id}`)).status).toBe(404);
      expect((await api.get<{ total: number }>(`${base}/tasks?fresh=true`)).body.total).toBe(3);
      expect(await api.delete<ErrorAnswer>(path)).toMatchObject({
        status: 404,
        body: { detail: 'Session not found', session_id: session.session_id },
      });
    });

    test('also one that is only buffered; it comes back neither from the buffer nor from the journal', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const settings = { dataDir: folder.path, databaseUrl: database.url };
      const session = aSession();
      const path = `${base}/sessions/${session.session_id}`;
      {
        await using service = await startServiceProcess(settings);
        const api = new Api(service.url);
        await api.sessions([session]);
        await api.tasks(tasksOf(session.session_id, 20));
        expect((await api.delete<Deleted>(path)).body.deleted_tasks).toBe(20);
        expect((await api.get(`${path}?fresh=true`)).status).toBe(404);
        const late = await api.tasks<ErrorAnswer>(tasksOf(session.session_id, 1));
        expect([late.status, late.body.error_code]).toEqual([422, 'SESSION_NOT_FOUND']);
        await service.kill('SIGKILL');
      }
      await using service = await startServiceProcess(settings);
      const api = new Api(service.url);
      await api.flush();
      expect((await api.get(path)).status).toBe(404);
      expect((await api.get<{ total: number }>(`${base}/tasks`)).body.total).toBe(0);
    });

    test('a session sent again afterwards is a new one', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      await using service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url });
      const api = new Api(service.url);
      const session = aSession({ total_tasks: 9, completed_tasks: 7, metadata: { a: 1 } });
      const path = `${base}/sessions/${session.session_id}`;
      const [task] = tasksOf(session.session_id, 1);
      await api.sessions([session]);
      await api.tasks([task]);
      await api.flush();
      await api.delete(path);
      const { metadata: _, ...fields } = session;
      await api.sessions([{ ...fields, completed_tasks: 1 }]);
      await api.tasks([{ ...task, target_text: 'again' }]);
      await api.flush();
      expect((await api.get(path)).body).toMatchObject({
        total_tasks: 9,
        completed_tasks: 1,
        metadata: null,
      });
      expect((await api.get(`${base}/tasks/${task?.task_id}`)).body).toMatchObject({ target_text: 'again' });
    });

    test('a soft deletion vanishes from every read all the same', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      await using service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url });
      const api = new Api(service.url);
      const session = aSession({ status: 'processing' });
      const id = session.session_id;
      const [task, ...rest] = tasksOf(id, 12, { status: 'pending' });
      await api.sessions([session]);
      await api.tasks([task, ...rest]);
      const { body } = await api.delete<Deleted>(`${base}/sessions/${id}?mode=soft`);
      expect(body.deleted_tasks).toBe(12);
      for (const path of [`/sessions/${id}`, `/sessions/${id}/tasks`, `/tasks/${task?.task_id}`]) {
        expect((await api.get(base + path)).status).toBe(404);
      }
      expect((await api.post(`${base}/recovery/restore/${id}`)).status).toBe(404);
      for (const path of ['/sessions', '/tasks', `/tasks?session_id=${id}`, '/sessions?status=processing']) {
        expect((await api.get<{ total: number }>(base + path)).body.total).toBe(0);
      }
      expect((await api.get<{ count: number }>(`${base}/recovery/incomplete-sessions`)).body.count).toBe(0);
      const { body: statistics } = await api.get<Record<string, { total: number }>>(`${base}/stats`);
      expect([statistics.sessions?.total, statistics.tasks?.total]).toEqual([0, 0]);
    });
  });

  describe(`the clean-up on ${storage.name}`, () => {
    test('deletes what was completed or failed too long ago, and nothing else; dry_run only counts', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const clock = new ManualClock(Date.UTC(2025, 8, 30) - 300 * dayMs);
      const environment = { DATA_DIR: folder.path, DATABASE_URL: database.url, RETENTION_SCHEDULE: 'off' };
      await using service = await startServiceHere(environment, clock);
      const api = new Api(service.url);
      const aged = async (days: number, status: 'completed' | 'failed' | 'cancelled' | 'processing') => {
        clock.setNowMs(Date.UTC(2025, 8, 30) - days * dayMs);
        const session = aSession({ session_id: `${status}-${days}`, status });
        await api.sessions([session]);
        await api.tasks(tasksOf(session.session_id, days));
      };
      await aged(200, 'cancelled');
      await aged(200, 'processing');
      for (let days = 100; days >= 80; days -= 1) await aged(days, 'completed');
      for (let days = 41; days >= 25; days -= 1) await aged(days, 'failed');
      clock.setNowMs(Date.UTC(2025, 8, 30));
      // One that had expired is worked on again; that is only in the buffer yet.
      await api.flush();
      await api.sessions([aSession({ session_id: 'completed-100', status: 'processing' })]);

      const completed = Array.from({ length: 10 }, (_, index) => 90 + index);
      const failed = Array.from({ length: 12 }, (_, index) => 30 + index);
      const tasks = [...completed, ...failed].reduce((sum, days) => sum + days, 0);
      const expected = { status: 'completed', deleted_sessions: 22, deleted_tasks: tasks };
      const dry = { ...expected, dry_run: true };
      expect((await api.post(`${base}/sessions/cleanup`, { dry_run: true })).body).toEqual(dry);
      expect((await api.delete(`${base}/sessions/cleanup?dry_run=true`)).body).toEqual(dry);
      expect((await api.post(`${base}/sessions/cleanup`)).body).toEqual({ ...expected, dry_run: false });
      expect((await api.post<CleanedUp>(`${base}/sessions/cleanup`)).body.deleted_sessions).toBe(0);
      const left = await api.get<{ items: { session_id: string }[] }>(`${base}/sessions?page_size=100`);
      expect(left.body.items.map(({ session_id }) => session_id).sort()).toEqual(
        [
          ...Array.from({ length: 10 }, (_, index) => `completed-${80 + index}`),
          ...Array.from({ length: 5 }, (_, index) => `failed-${25 + index}`),
          'cancelled-200',
          'completed-100',
          'processing-200',
        ].sort(),
      );
      const narrower = await api.delete<CleanedUp>(
        `${base}/sessions/cleanup?completed_days=85&failed_days=29`,
      );
      expect(narrower.body).toMatchObject({
        deleted_sessions: 5 + 1,
        deleted_tasks: 85 + 86 + 87 + 88 + 89 + 29,
      });
    });

    test('runs on its schedule, and purges what was soft-deleted long ago', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const clock = new ManualClock(Date.UTC(2025, 8, 30, 10));
      const environment = {
        DATA_DIR: folder.path,
        DATABASE_URL: database.url,
        RETENTION_DELETE_MODE: 'soft',
      };
      await using service = await startServiceHere(environment, clock);
      const api = new Api(service.url);
      const session = aSession({ status: 'failed' });
      await api.sessions([session]);
      await api.tasks(tasksOf(session.session_id, 2));
      await api.flush();
      const path = `${base}/sessions/${session.session_id}`;
      const runs = () => service.log.filter(({ message }) => message === 'The scheduled clean-up is done');
      const removals: unknown[] = [];
      for (let day = 1; day <= 61; day += 1) {
        expect((await api.get(path)).status).toBe(day <= 30 ? 200 : 404);
        clock.advance(dayMs);
        await waitUntil('the clean-up of the day is done', () => runs().length === day);
        const { properties } = runs().at(-1) ?? {};
        if (properties?.sessions !== 0 || properties?.purged !== 0) removals.push({ day, ...properties });
      }
      expect(removals).toEqual([
        { day: 30, sessions: 1, tasks: 2, purged: 0 },
        { day: 61, sessions: 0, tasks: 0, purged: 3 },
      ]);
    });

    test('is done by one instance at a time', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const clock = new ManualClock();
      const environment = { DATABASE_URL: database.url };
      await using one = await startServiceHere({ ...environment, DATA_DIR: join(folder.path, 'one') }, clock);
      await using two = await startServiceHere({ ...environment, DATA_DIR: join(folder.path, 'two') }, clock);
      const ofMany = Array.from({ length: 60 }, (_, index) =>
        aSession({ session_id: `s-${index}`, status: 'failed' }),
      );
      await new Api(one.url).sessions(ofMany);
      // Either may be the one that cleans up.
      await new Api(one.url).flush();
      const cleanUps = [one, two, one, two].map(({ url }) =>
        new Api(url).post<CleanedUp & ErrorAnswer>(`${base}/sessions/cleanup`, { failed_days: 0 }),
      );
      const answers = await Promise.all(cleanUps);
      const done = answers.filter(({ status }) => status === 200);
      expect(done.reduce((sum, { body }) => sum + body.deleted_sessions, 0)).toBe(60);
      const refused = answers.filter(({ status }) => status !== 200);
      for (const { status, body } of refused) {
        expect([status, body.error_code]).toEqual([409, 'CLEANUP_RUNNING']);
      }
    });
  });

  describe(`changing the status of a session on ${storage.name}`, () => {
    test('changes nothing else, and no batch that was accepted before undoes it', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const settings = { dataDir: folder.path, databaseUrl: database.url };
      const session = aSession({ status: 'processing', total_tasks: 5, game_info: { name: 'Quest' } });
      const path = `${base}/sessions/${session.session_id}`;
      {
        await using service = await startServiceProcess(settings);
        const api = new Api(service.url);
        await api.sessions([session]);
        await api.flush();
        await api.sessions([{ ...session, completed_tasks: 3 }]);
        const changed = await api.patch(`${path}/status`, { status: 'cancelled' });
        expect(changed).toMatchObject({
          status: 200,
          body: { session_id: session.session_id, status: 'cancelled', updated_at: expect.any(String) },
        });
        await service.kill('SIGKILL');
      }
      await using service = await startServiceProcess(settings);
      const api = new Api(service.url);
      expect((await api.get(`${path}?fresh=true`)).body).toMatchObject({
        ...session,
        status: 'cancelled',
        completed_tasks: 3,
      });
      await api.patch(`${path}/status`, { status: 'completed' });
      expect((await api.get(`${path}?fresh=true`)).body).toMatchObject({ ...session, status: 'completed' });
    });

    test('of a session that was never sent, or was deleted, is not found', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      await using service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url });
      const api = new Api(service.url);
      const session = aSession();
      await api.sessions([session]);
      await api.delete(`${base}/sessions/${session.session_id}`);
      for (const id of ['nobody', session.session_id]) {
        expect(await api.patch(`${base}/sessions/${id}/status`, { status: 'failed' })).toMatchObject({
          status: 404,
          body: { error_code: 'NOT_FOUND', session_id: id },
        });
      }
    });
  });

  test(`statistics on ${storage.name} count and average what is stored`, async () => {
    await using database = await storage.create();
    using folder = temporaryFolder();
    const clock = new ManualClock();
    await using service = await startServiceHere(
      { DATA_DIR: folder.path, DATABASE_URL: database.url },
      clock,
    );
    const api = new Api(service.url);
    const none = (await api.get<Record<string, object>>(`${base}/stats`)).body;
    expect(none.performance).toEqual({
      average_session_time: null,
      average_task_time: null,
      success_rate: null,
    });
    const [done, also, open] = [
      aSession({ status: 'processing' }),
      aSession({ status: 'processing' }),
      aSession({ status: 'pending' }),
    ];
    await api.sessions([done, also, open]);
    await api.flush();
    clock.setNowMs(clock.nowMs() + 1_800_000);
    await api.patch(`${base}/sessions/${done.session_id}/status`, { status: 'completed' });
    clock.setNowMs(clock.nowMs() + 60_000);
    await api.patch(`${base}/sessions/${also.session_id}/status`, { status: 'completed' });
    await api.tasks([
      ...tasksOf(done.session_id, 3, { status: 'completed', duration_ms: 5000 }),
      ...tasksOf(done.session_id, 1, { status: 'completed', duration_ms: 5800 }),
      ...tasksOf(also.session_id, 1, { status: 'completed' }),
      ...tasksOf(also.session_id, 2, { status: 'failed', duration_ms: 90_000 }),
      ...tasksOf(open.session_id, 4, { status: 'pending' }),
      ...tasksOf(open.session_id, 1, { status: 'processing' }),
    ]);
    const { body } = await api.get<Record<string, object>>(`${base}/stats?fresh=true`);
    expect(body).toEqual({
      sessions: { total: 3, pending: 1, processing: 0, completed: 2, failed: 0, cancelled: 0 },
      tasks: { total: 12, pending: 4, processing: 1, completed: 5, failed: 2 },
      performance: { average_session_time: 1830, average_task_time: 5.2, success_rate: 71.4 },
      storage: { database_size_mb: expect.any(Number), sessions_table_rows: 3, tasks_table_rows: 12 },
    });
  });
}
