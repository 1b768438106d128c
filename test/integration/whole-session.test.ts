import { describe, expect, test } from 'bun:test';
import type { SessionRecord, TaskRecord } from '../../src/modules/translation/records.ts';
import { Api } from '../support/api.ts';
import { gameSession } from '../support/game-session.ts';
import { taskDefaults } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const cells = 20_000;
const batchSize = 500;

for (const storage of storages) {
  describe(`a session of ${cells} cells on ${storage.name}`, () => {
    test('written in batches while its counters go up, flushed, and read back: no field differs', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      // A busy machine takes its time.
      const environment = { BUFFER_FLUSH_TIMEOUT_SECONDS: '120' };
      const settings = { dataDir: folder.path, databaseUrl: database.url, environment };
      await using service = await startServiceProcess(settings);
      const api = new Api(service.url);
      const { session, pending, finished } = gameSession(cells, 7);

      expect((await api.sessions([session])).status).toBe(200);
      for (const batch of batchesOf(pending)) expect((await api.tasks(batch)).body.count).toBe(batch.length);
      const counters = { completed_tasks: 0, failed_tasks: 0, processing_tasks: 0 };
      for (const batch of batchesOf(finished)) {
        expect((await api.tasks(batch)).body.count).toBe(batch.length);
        counters.completed_tasks += batch.filter(({ status }) => status === 'completed').length;
        counters.failed_tasks += batch.filter(({ status }) => status === 'failed').length;
        expect((await api.sessions([{ ...session, ...counters }])).status).toBe(200);
      }
      expect((await api.flush()).body.status).toBe('flushed');

      const stored = await api.get<Record<string, unknown>>(
        `/api/v1/translation/sessions/${session.session_id}`,
      );
      expect(stored.body).toMatchObject({ ...session, ...counters });
      const expected = new Map(finished.map((task) => [task.task_id, taskAsRead(task)]));
      for await (const task of tasksOf(api, session)) {
        const { created_at, updated_at, ...fields } = task;
        expect(fields).toEqual(expected.get(String(task.task_id)) ?? { missing: task.task_id });
        expect(Date.parse(String(updated_at))).toBeGreaterThanOrEqual(Date.parse(String(created_at)));
        expected.delete(String(task.task_id));
      }
      expect(expected.size).toBe(0);
    }, 120_000);
  });
}

function* batchesOf(tasks: readonly TaskRecord[]): Generator<TaskRecord[]> {
  for (let start = 0; start < tasks.length; start += batchSize) yield tasks.slice(start, start + batchSize);
}

async function* tasksOf(api: Api, session: SessionRecord): AsyncGenerator<Record<string, unknown>> {
  interface Page {
    total: number;
    total_pages: number;
    items: Record<string, unknown>[];
  }
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const path = `/api/v1/translation/sessions/${session.session_id}/tasks?page=${page}&page_size=100`;
    const { body } = await api.get<Page>(path);
    expect(body.total).toBe(cells);
    pages = body.total_pages;
    yield* body.items;
  }
}

/** What the API shows of a task once it is stored, but for the two times of acceptance. */
function taskAsRead(task: TaskRecord): Record<string, unknown> {
  const times = { start_time: timeAsRead(task.start_time), end_time: timeAsRead(task.end_time) };
  return { ...taskDefaults, ...task, ...times };
}

function timeAsRead(time: string | null | undefined): string | null {
  return time?.replace('.000Z', 'Z') ?? null;
}
