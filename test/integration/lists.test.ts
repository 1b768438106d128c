import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { SessionRecord, TaskRecord } from '../../src/modules/translation/records.ts';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const base = '/api/v1/translation';

interface Page {
  total: number;
  page: number | null;
  page_size: number;
  total_pages: number;
  next_cursor: string | null;
  items: Record<string, string>[];
}

for (const storage of storages) {
  describe(`lists on ${storage.name}`, () => {
    const folder = temporaryFolder();
    let database: TestDatabase;
    let service: ServiceProcess;
    let api: Api;
    /** In the order of their acceptance: each in a batch of its own, so that its time is its own. */
    const sessions: SessionRecord[] = [];
    const tasks: TaskRecord[] = [];

    beforeAll(async () => {
      database = await storage.create();
      service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url });
      api = new Api(service.url);
      const statuses = ['pending', 'processing', 'completed', 'failed', 'cancelled'] as const;
      for (let number = 0; number < 25; number += 1) {
        const session = aSession({
          session_id: `session-${String(number).padStart(2, '0')}`,
          filename: `${number % 3 === 0 ? 'Quest' : '对话'}_${number}%.xlsx`,
          status: statuses[number % 5] ?? 'pending',
          llm_provider: number % 2 === 0 ? 'openai' : 'qwen',
        });
        expect((await api.sessions([session])).status).toBe(200);
        sessions.push(session);
      }
      for (let number = 0; number < 60; number += 1) {
        tasks.push(
          aTask(`session-0${number % 3}`, {
            task_id: `task-${String(number).padStart(3, '0')}`,
            batch_id: `batch_${number % 4}`,
            sheet_name: number % 2 === 0 ? 'UI' : 'ui',
            status: number < 40 ? 'completed' : 'failed',
          }),
        );
      }
      // One batch, one time of acceptance: the order of these is that of their ids.
      expect((await api.tasks(tasks)).status).toBe(200);
    });

    afterAll(async () => {
      await service[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    async function list(path: string): Promise<Page> {
      const { status, body } = await api.get<Page>(`${base}/${path}`);
      expect({ path, status }).toEqual({ path, status: 200 });
      return body;
    }

    const ids = ({ items }: Page): unknown[] => items.map((item) => item.task_id ?? item.session_id);

    test('fresh=true shows what was accepted a moment ago', async () => {
      const session = aSession();
      await api.sessions([session]);
      expect((await api.get(`${base}/sessions/${session.session_id}`)).status).toBe(404);
      expect(await list(`sessions?fresh=true&filename=${session.filename}`)).toMatchObject({ total: 1 });
    });

    test('sessions come newest first, a page of twenty, with totals', async () => {
      const page = await list('sessions?fresh=true&llm_provider=openai&from_date=2000-01-01');
      expect(page).toMatchObject({ page: 1, page_size: 20 });
      const first = await list('sessions?filename=%25.xlsx');
      expect(first).toMatchObject({ total: 25, page: 1, page_size: 20, total_pages: 2 });
      expect(ids(first)).toEqual(
        sessions
          .slice(5)
          .map(({ session_id }) => session_id)
          .reverse(),
      );
      const second = await list('sessions?filename=%25.xlsx&page=2');
      expect(ids(second)).toEqual(
        sessions
          .slice(0, 5)
          .map(({ session_id }) => session_id)
          .reverse(),
      );
      expect(second.next_cursor).toBeNull();
    });

    test('sessions are filtered by status, provider and a part of the file name, in either case', async () => {
      expect(await list('sessions?status=failed')).toMatchObject({ total: 5 });
      expect(await list('sessions?llm_provider=qwen')).toMatchObject({ total: 12 });
      expect(await list('sessions?filename=qUEST_')).toMatchObject({ total: 9 });
      expect(await list('sessions?filename=%E5%AF%B9')).toMatchObject({ total: 16 });
      expect(await list('sessions?filename=_0_')).toMatchObject({ total: 0 });
      expect(await list('sessions?status=failed&llm_provider=qwen')).toMatchObject({ total: 3 });
    });

    test('dates filter by the time of acceptance, both ends included, a day whole', async () => {
      const all = await list('sessions?order=asc&page_size=100&filename=%25.xlsx');
      const at = all.items[10]?.created_at ?? '';
      const from = await list(`sessions?filename=%25.xlsx&page_size=100&from_date=${at}`);
      const until = await list(`sessions?filename=%25.xlsx&page_size=100&to_date=${at}`);
      expect(ids(from)).toContain('session-10');
      expect(ids(until)).toContain('session-10');
      expect(from.total + until.total).toBeGreaterThanOrEqual(26);
      const day = at.slice(0, 10);
      expect(await list(`sessions?filename=%25.xlsx&from_date=${day}&to_date=${day}`)).toMatchObject({
        total: 25,
      });
      expect(await list('sessions?to_date=2001-01-01')).toMatchObject({ total: 0, total_pages: 0 });
    });

    test('tasks are filtered by session, batch, sheet and status', async () => {
      expect(await list('tasks')).toMatchObject({ total: 60, total_pages: 3 });
      expect(await list('tasks?session_id=session-01')).toMatchObject({ total: 20 });
      expect(await list('tasks?batch_id=batch_3&status=completed')).toMatchObject({ total: 10 });
      expect(await list('tasks?sheet_name=UI')).toMatchObject({ total: 30 });
      expect(await list('sessions/session-02/tasks?batch_id=batch_0')).toMatchObject({
        session_id: 'session-02',
        total: 5,
      });
    });

    test.each(['asc', 'desc'])(
      'a cursor visits each row once, %s, while others are written',
      async (order) => {
        const seen: unknown[] = [];
        let cursor: string | null = '';
        while (cursor !== null) {
          const place: string = cursor === '' ? '' : `&cursor=${cursor}`;
          const page = await list(`tasks?sort_by=created_at&order=${order}&page_size=7${place}`);
          expect(page.page).toBe(cursor === '' ? 1 : null);
          seen.push(...ids(page));
          cursor = page.next_cursor;
          // An update moves no row of this order.
          await api.tasks([{ ...tasks[30], target_text: `seen ${seen.length}` }]);
          await api.flush();
        }
        const expected = tasks.map(({ task_id }) => task_id);
        expect(seen).toEqual(order === 'asc' ? expected : expected.reverse());
      },
    );

    test('sorted by updated_at, what was written last comes first', async () => {
      await api.tasks([{ ...tasks[17], target_text: 'again' }]);
      const { items } = await list('tasks?fresh=true&sort_by=updated_at&page_size=1');
      expect(items[0]).toMatchObject({ task_id: 'task-017', target_text: 'again' });
    });

    test.each([
      ['a cursor that is none', 'tasks?cursor=nonsense', 'cursor'],
      ['a cursor of another order', 'tasks?order=asc&cursor=CURSOR', 'cursor'],
      ['a sort field that is none', 'tasks?sort_by=source_text', 'sort_by'],
      ['an order that is none', 'sessions?order=up', 'order'],
      ['a date that is none', 'sessions?from_date=yesterday', 'from_date'],
      ['a status of tasks that is one of sessions', 'tasks?status=cancelled', 'status'],
      ['a parameter that is none', 'sessions?statsu=failed', 'statsu'],
    ])('%s is refused and named', async (_, path, field) => {
      const { next_cursor } = await list('tasks?page_size=1');
      const { status, body } = await api.get<ErrorAnswer>(
        `${base}/${path.replace('CURSOR', next_cursor ?? '')}`,
      );
      expect({ status, field: body.errors?.[0]?.field }).toEqual({ status: 422, field });
    });
  });
}
