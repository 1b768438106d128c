import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { Registry } from 'prom-client';
import { type AppParts, createApp } from '../../src/app.ts';
import { RequestLimit } from '../../src/http/request-limit.ts';
import type { SessionRecord, TaskRecord } from '../../src/modules/translation/records.ts';
import { sessionView } from '../../src/modules/translation/views.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { serviceVersion } from '../../src/platform/version.ts';
import { type Answer, Api, type ErrorAnswer } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const base = '/api/v1/translation';
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/;
const timeInSeconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

type Fields = Record<string, unknown>;

/** What the endpoints promise, the same on every storage. */
for (const storage of storages) {
  describe(`the API on ${storage.name}`, () => {
    const folder = temporaryFolder();
    let database: TestDatabase;
    let service: ServiceProcess;
    let api: Api;

    beforeAll(async () => {
      database = await storage.create();
      // Flushes come from the tests alone, so that what is buffered stays there.
      const environment = { BUFFER_FLUSH_INTERVAL: '3600', BUFFER_MAX_BUFFER_SIZE: '100000' };
      service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url, environment });
      api = new Api(service.url);
    });

    afterAll(async () => {
      await service[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    describe('writing', () => {
      test('a batch answers accepted, with its count and the time in whole seconds', async () => {
        const from = Math.floor(Date.now() / 1000) * 1000;
        const session = aSession();
        const written = await api.sessions([session, aSession()]);
        expectAccepted(written, 2, from);
        expectAccepted(await api.tasks([aTask(session.session_id)]), 1, from);
      });

      test('a batch is read as JSON whatever its content type says', async () => {
        for (const type of [
          'application/json; charset=utf-8',
          'application/x-www-form-urlencoded',
          'multipart/form-data; boundary=x',
          'text/plain',
          'nonsense',
        ]) {
          const session = aSession();
          const response = await fetch(`${service.url}${base}/sessions/batch`, {
            method: 'POST',
            headers: { 'content-type': type },
            body: JSON.stringify({ sessions: [session] }),
          });
          expect({ type, status: response.status }).toEqual({ type, status: 200 });
          await flushed();
          expect(await sessionOf(session)).toMatchObject(session);
        }
      });

      test('1,000 sessions and 1,000 tasks in one request each are all stored', async () => {
        const sessions = Array.from({ length: 1000 }, () => aSession());
        expectAccepted(await api.sessions(sessions), 1000, 0);
        const [{ session_id } = aSession()] = sessions;
        expectAccepted(await api.tasks(Array.from({ length: 1000 }, () => aTask(session_id))), 1000, 0);
        expectFlushed(await flushed());
        expect(await sessionOf(sessions[999])).toMatchObject(sessions[999] ?? {});
        expect((await pageOf(session_id)).total).toBe(1000);
      });

      test('a flush says what it wrote, and a second one has nothing to write', async () => {
        await flushed();
        const session = aSession();
        await api.sessions([session, aSession()]);
        await api.tasks([aTask(session.session_id), aTask(session.session_id), aTask(session.session_id)]);
        expectFlushed(await flushed(), { sessions_written: 2, tasks_written: 3 });
        expectFlushed(await flushed(), { sessions_written: 0, tasks_written: 0 });
      });

      test('a task never moves to another session: it is quarantined, not written, and its neighbours are stored', async () => {
        const [owner, thief] = [aSession(), aSession()];
        await api.sessions([owner, thief]);
        const task = aTask(owner.session_id, { target_text: 'mine' });
        await api.tasks([task]);
        await flushed();
        const before = (await health()).quarantine.records;
        const neighbours = Array.from({ length: 9 }, () => aTask(thief.session_id));
        const stray = { ...task, session_id: thief.session_id, target_text: 'stolen' };
        expectAccepted(await api.tasks(neighbours.toSpliced(4, 0, stray)), 10, 0);
        const answer = await flushed();
        expect(await taskOf(task)).toMatchObject(task);
        for (const neighbour of neighbours) expect(await taskOf(neighbour)).toMatchObject(neighbour);
        expect((await health()).quarantine.records).toBe(before + 1);
        expectFlushed(answer, { sessions_written: 0, tasks_written: 9 });
      });
    });

    describe('a later write merges into the earlier one', () => {
      const sessionCases: [guarantee: string, writes: Fields[], read: Fields][] = [
        [
          'what a write leaves out stays',
          [
            { metadata: { user_id: 'u' }, game_info: { name: 'RPG' }, total_tasks: 5, processing_tasks: 2 },
            {},
          ],
          { metadata: { user_id: 'u' }, game_info: { name: 'RPG' }, total_tasks: 5, processing_tasks: 2 },
        ],
        [
          'null clears',
          [
            { metadata: { user_id: 'u' }, game_info: { name: 'RPG' }, processing_tasks: 2 },
            { metadata: null, game_info: null, processing_tasks: null },
          ],
          { metadata: null, game_info: null, processing_tasks: 0 },
        ],
        [
          'what was cleared can be set again',
          [{ metadata: { a: 1 } }, { metadata: null }, { metadata: { b: 2 } }],
          { metadata: { b: 2 } },
        ],
        [
          'counters never go down, and null does not clear them',
          [
            { total_tasks: 100, completed_tasks: 50, failed_tasks: 5 },
            { total_tasks: 90, completed_tasks: 60, failed_tasks: 4 },
            { total_tasks: null, completed_tasks: 0, failed_tasks: 5 },
          ],
          { total_tasks: 100, completed_tasks: 60, failed_tasks: 5 },
        ],
        [
          'processing_tasks and status take the newest value',
          [
            { processing_tasks: 10, status: 'processing' },
            { processing_tasks: 3, status: 'completed' },
            { processing_tasks: 1, status: 'pending' },
          ],
          { processing_tasks: 1, status: 'pending' },
        ],
        [
          'texts take the newest value',
          [
            { filename: 'a.xlsx', llm_provider: 'openai' },
            { filename: 'ü🐉.xlsx', llm_provider: 'qwen' },
          ],
          { filename: 'ü🐉.xlsx', llm_provider: 'qwen' },
        ],
        [
          'a document is replaced as a whole',
          [{ metadata: { a: 1, b: { c: 2 } } }, { metadata: { b: { d: 3 } } }],
          { metadata: { b: { d: 3 } } },
        ],
      ];
      const taskCases: typeof sessionCases = [
        [
          'what a write leaves out stays',
          [{ target_text: '你好', context: 'c', confidence: 0.5, retry_count: 3, duration_ms: 7 }, {}],
          { target_text: '你好', context: 'c', confidence: 0.5, retry_count: 3, duration_ms: 7 },
        ],
        [
          'null clears',
          [
            {
              target_text: 't',
              context: 'c',
              confidence: 0.5,
              error_message: 'e',
              retry_count: 3,
              start_time: '2025-01-01T00:00:00Z',
              duration_ms: 7,
            },
            {
              target_text: null,
              context: null,
              confidence: null,
              error_message: null,
              retry_count: null,
              start_time: null,
              duration_ms: null,
            },
          ],
          {
            target_text: null,
            context: null,
            confidence: null,
            error_message: null,
            retry_count: 0,
            start_time: null,
            duration_ms: null,
          },
        ],
        [
          'status, texts and retry_count take the newest value',
          [
            { status: 'failed', retry_count: 3, source_text: 'old', row_index: 1 },
            { status: 'processing', retry_count: 1, source_text: '', row_index: 2 },
          ],
          { status: 'processing', retry_count: 1, source_text: '', row_index: 2 },
        ],
      ];
      for (const between of ['in the buffer', 'across flushes'] as const) {
        const pause = async () => {
          if (between === 'across flushes') await flushed();
        };
        for (const [guarantee, writes, read] of sessionCases) {
          test(`of a session, ${between}: ${guarantee}`, async () => {
            const session = aSession();
            for (const fields of writes) {
              expect(await api.sessions([{ ...session, ...fields }])).toMatchObject({ status: 200 });
              await pause();
            }
            await flushed();
            expect(await sessionOf(session)).toMatchObject({ session_id: session.session_id, ...read });
          });
        }
        for (const [guarantee, writes, read] of taskCases) {
          test(`of a task, ${between}: ${guarantee}`, async () => {
            const task = aTask(await acceptedSession());
            for (const fields of writes) {
              expect(await api.tasks([{ ...task, ...fields }])).toMatchObject({ status: 200 });
              await pause();
            }
            await flushed();
            expect(await taskOf(task)).toMatchObject({ task_id: task.task_id, ...read });
          });
        }
      }

      test('the later of two records with one id in one batch wins', async () => {
        const session = aSession();
        const batch = [
          { ...session, filename: 'first', total_tasks: 9 },
          { ...session, filename: 'second', total_tasks: 3 },
        ];
        expectAccepted(await api.sessions(batch), 2, 0);
        await flushed();
        expect(await sessionOf(session)).toMatchObject({ filename: 'second', total_tasks: 9 });
      });

      test('unknown fields of a record are ignored and not stored', async () => {
        const session = { ...aSession(), priority: 'high', version: 7, created_at: '1999-01-01T00:00:00Z' };
        const task = { ...aTask(session.session_id), translator: { name: 'x' }, updated_at: 'never' };
        expectAccepted(await api.sessions([session]), 1, 0);
        expectAccepted(await api.tasks([task]), 1, 0);
        await flushed();
        expect(Object.keys(await sessionOf(session)).sort()).toEqual(sessionFields.toSorted());
        expect(Object.keys(await taskOf(task)).sort()).toEqual(taskFields.toSorted());
        expect(Date.parse(String((await sessionOf(session)).created_at))).toBeGreaterThan(
          Date.UTC(2024, 0, 1),
        );
      });
    });

    describe('reading', () => {
      test('every field of a session and of a task comes back as it was sent', async () => {
        const session = aSession({
          filename: '游戏 – ゲーム 🎮.xlsx',
          status: 'cancelled',
          game_info: { game_name: '幻想', tags: ['a', null, 1.5, true, {}], 'ключ"\\': '\u0000\n' },
          metadata: {},
          total_tasks: 4,
          completed_tasks: 1,
          failed_tasks: 1,
          processing_tasks: 1,
        });
        const task = aTask(session.session_id, {
          source_text: '<b>HP</b>: {hp}\\n \r\n\t\u0000 \' " ` % ? 👩‍👩‍👧‍👦 𠮷',
          target_text: '',
          context: '  spaces  ',
          status: 'failed',
          confidence: 0.9501,
          error_message: "'; DROP TABLE translation_tasks; --",
          retry_count: 3,
          start_time: '2025-09-30T10:10:00Z',
          end_time: '2025-09-30T10:10:05.250Z',
          duration_ms: 5250,
        });
        await api.sessions([session]);
        await api.tasks([task]);
        await flushed();
        expect(await sessionOf(session)).toEqual({
          ...session,
          pending_tasks: 1,
          progress: 25,
          estimated_completion: null,
          created_at: expect.stringMatching(time),
          updated_at: expect.stringMatching(time),
        });
        expect(await taskOf(task)).toEqual({
          ...task,
          created_at: expect.stringMatching(time),
          updated_at: expect.stringMatching(time),
        });
      });

      test('names that mean something to JavaScript are names like any other in a document', async () => {
        const session = aSession();
        const metadata = '{"__proto__":{"a":1},"constructor":2,"toJSON":3,"":4}';
        const body = JSON.stringify({ sessions: [session] }).replace('}]', `,"metadata":${metadata}}]`);
        expect(await api.post(`${base}/sessions/batch`, body)).toMatchObject({ status: 200 });
        await flushed();
        const read = await fetch(`${service.url}${base}/sessions/${session.session_id}`);
        const text = await read.text();
        for (const part of ['"__proto__":{"a":1}', '"constructor":2', '"toJSON":3', '"":4'])
          expect(text).toContain(part);
      });

      const counterCases: [counters: Partial<SessionRecord>, pending: number, progress: number][] = [
        [{}, 0, 0],
        [{ total_tasks: 1000, completed_tasks: 350, failed_tasks: 5, processing_tasks: 10 }, 635, 35],
        [{ total_tasks: 3, completed_tasks: 1 }, 2, 33.3],
        [{ total_tasks: 3, completed_tasks: 2 }, 1, 66.7],
        [{ total_tasks: 1000, completed_tasks: 999, failed_tasks: 1 }, 0, 99.9],
        [{ total_tasks: 7, completed_tasks: 7 }, 0, 100],
        [{ total_tasks: 10, completed_tasks: 8, failed_tasks: 2, processing_tasks: 5 }, 0, 80],
        [{ total_tasks: 5, completed_tasks: 9 }, 0, 100],
        [{ completed_tasks: 9, processing_tasks: 1 }, 0, 0],
      ];
      for (const [counters, pending_tasks, progress] of counterCases) {
        test(`counters ${JSON.stringify(counters)} leave ${pending_tasks} pending, ${progress} percent done`, async () => {
          const session = aSession(counters);
          await api.sessions([session]);
          await flushed();
          expect(await sessionOf(session)).toMatchObject({ pending_tasks, progress });
        });
      }

      test('estimated_completion goes on at the pace between the first and the last write', async () => {
        const session = aSession({ total_tasks: 1000 });
        await api.sessions([session]);
        await flushed();
        expect(await sessionOf(session)).toMatchObject({ estimated_completion: null });
        await nextMillisecond();
        await api.sessions([{ ...session, completed_tasks: 6, failed_tasks: 4 }]);
        await flushed();
        const { created_at, updated_at, estimated_completion } = await sessionOf(session);
        const [created, updated] = [Date.parse(String(created_at)), Date.parse(String(updated_at))];
        const end = updated + ((updated - created) / 10) * 990;
        expect(estimated_completion).toMatch(timeInSeconds);
        expect(Math.abs(Date.parse(String(estimated_completion)) - end)).toBeLessThanOrEqual(500);
      });

      for (const [what, fields] of [
        ['not processing', { status: 'completed' }],
        ['failed', { status: 'failed' }],
        ['done with its last task', { completed_tasks: 10 }],
      ] as [string, Fields][]) {
        test(`estimated_completion is null for a session that is ${what}`, async () => {
          const session = aSession({ total_tasks: 10 });
          await api.sessions([session]);
          await nextMillisecond();
          await api.sessions([{ ...session, completed_tasks: 5, ...fields }]);
          await flushed();
          expect(await sessionOf(session)).toMatchObject({ estimated_completion: null });
        });
      }

      const timeCases: [sent: string, read: string][] = [
        ['2025-09-30T10:10:00Z', '2025-09-30T10:10:00Z'],
        ['2025-09-30T10:10:00.000Z', '2025-09-30T10:10:00Z'],
        ['2025-09-30T10:10:00.5Z', '2025-09-30T10:10:00.500Z'],
        ['2025-09-30T10:10:00.123456', '2025-09-30T10:10:00.123Z'],
        ['2025-09-30T10:10:00', '2025-09-30T10:10:00Z'],
        ['2025-09-30T10:10:00+08:00', '2025-09-30T02:10:00Z'],
        ['2025-09-30T23:10:00-05:30', '2025-10-01T04:40:00Z'],
        ['2050-02-28T00:00:00Z', '2050-02-28T00:00:00Z'],
        ['1969-07-20T20:17:40Z', '1969-07-20T20:17:40Z'],
      ];
      test('times go out in UTC with Z, milliseconds only where there are any', async () => {
        const sessionId = await acceptedSession();
        const tasks = timeCases.map(([sent]) => aTask(sessionId, { start_time: sent, end_time: sent }));
        await api.tasks(tasks);
        await flushed();
        for (const [index, [, read]] of timeCases.entries()) {
          expect(await taskOf(tasks[index])).toMatchObject({ start_time: read, end_time: read });
        }
      });

      test('created_at is the first acceptance and updated_at the last, not the time of a flush', async () => {
        const session = aSession();
        const first = await acceptedBetween(() => api.sessions([session]));
        await nextMillisecond();
        const last = await acceptedBetween(() => api.sessions([{ ...session, status: 'completed' }]));
        await nextMillisecond();
        await flushed();
        const stored = await sessionOf(session);
        expectWithin(stored.created_at, first);
        expectWithin(stored.updated_at, last);
        await nextMillisecond();
        const again = await acceptedBetween(() => api.sessions([session]));
        await flushed();
        expect((await sessionOf(session)).created_at).toBe(stored.created_at);
        expectWithin((await sessionOf(session)).updated_at, again);
      });

      test('reads show committed storage: what is only in the buffer is not there yet', async () => {
        const session = aSession();
        const task = aTask(session.session_id);
        await api.sessions([session]);
        await api.tasks([task]);
        expect(await api.get(`${base}/sessions/${session.session_id}`)).toMatchObject({ status: 404 });
        expect(await api.get(`${base}/tasks/${task.task_id}`)).toMatchObject({ status: 404 });
        await flushed();
        expect(await sessionOf(session)).toMatchObject(session);
        expect(await taskOf(task)).toMatchObject(task);
      });

      test('ids that only differ in case, accents or spaces are different', async () => {
        const tail = crypto.randomUUID().slice(0, 8);
        const ids = ['abc', 'ABC', 'äbc', 'abc ', ' abc'].map((id) => `${tail}${id}${tail}`);
        const sessions = ids.map((id, index) => aSession({ session_id: id, filename: `file ${index}` }));
        await api.sessions(sessions);
        await flushed();
        for (const session of sessions) expect(await sessionOf(session)).toMatchObject(session);
      });
    });

    describe('a list of tasks', () => {
      const session = aSession();
      const tasks = Array.from({ length: 130 }, (_, row) =>
        aTask(session.session_id, {
          row_index: row,
          status: (['pending', 'processing', 'completed', 'failed'] as const)[row % 4] ?? 'pending',
          sheet_name: ['Dialogue', 'dialogue', 'UI / Menü', '对话 🐉'][row % 3] ?? '',
        }),
      );

      beforeAll(async () => {
        await api.sessions([session]);
        // One batch each: the order of acceptance is theirs.
        for (const part of [tasks.slice(0, 50), tasks.slice(50, 51), tasks.slice(51)]) await api.tasks(part);
        await flushed();
      });

      test('has 20 tasks a page unless asked otherwise, and says how many there are', async () => {
        const page = await pageOf(session.session_id);
        expect(page).toMatchObject({
          session_id: session.session_id,
          total: 130,
          page: 1,
          page_size: 20,
          total_pages: 7,
        });
        expect(page.items).toHaveLength(20);
        expect(Object.keys(page.items[0] ?? {}).sort()).toEqual(taskFields.toSorted());
      });

      test('page_size above 100 means 100', async () => {
        const page = await pageOf(session.session_id, 'page_size=500');
        expect(page).toMatchObject({ total: 130, page: 1, page_size: 100, total_pages: 2 });
        expect(page.items).toHaveLength(100);
        expect((await pageOf(session.session_id, 'page_size=500&page=2')).items).toHaveLength(30);
      });

      test('pages together hold each task once, in the order of acceptance', async () => {
        const seen: unknown[] = [];
        for (let page = 1; page <= 19; page += 1) {
          const { items, total_pages } = await pageOf(session.session_id, `page=${page}&page_size=7`);
          expect(total_pages).toBe(19);
          expect(items).toHaveLength(page === 19 ? 4 : 7);
          seen.push(...items.map(({ task_id }) => task_id));
        }
        const batchesById = [tasks.slice(0, 50), tasks.slice(50, 51), tasks.slice(51)].flatMap((batch) =>
          batch.map(({ task_id }) => task_id).toSorted(),
        );
        expect(seen).toEqual(batchesById);
      });

      for (const query of ['page=8', 'page=1000000', 'page=3&page_size=100']) {
        test(`a page past the end is empty and keeps the totals (${query})`, async () => {
          const page = await pageOf(session.session_id, query);
          expect(page).toMatchObject({ total: 130, items: [] });
        });
      }

      const filterCases: [query: string, matches: (task: TaskRecord) => boolean][] = [
        ['status=pending', ({ status }) => status === 'pending'],
        ['status=failed', ({ status }) => status === 'failed'],
        ['sheet_name=Dialogue', ({ sheet_name }) => sheet_name === 'Dialogue'],
        ['sheet_name=dialogue', ({ sheet_name }) => sheet_name === 'dialogue'],
        [`sheet_name=${encodeURIComponent('UI / Menü')}`, ({ sheet_name }) => sheet_name === 'UI / Menü'],
        ['sheet_name=UI+/+Men%C3%BC', ({ sheet_name }) => sheet_name === 'UI / Menü'],
        [
          'sheet_name=Dialogue&status=completed',
          ({ sheet_name, status }) => sheet_name === 'Dialogue' && status === 'completed',
        ],
        ['sheet_name=Dialog', () => false],
        ['sheet_name=%25', () => false],
        ['sheet_name=', () => false],
      ];
      for (const [query, matches] of filterCases) {
        test(`filtered by ${query} holds what matches, exactly`, async () => {
          const expected = tasks.filter(matches).map(({ task_id }) => task_id);
          const page = await pageOf(session.session_id, `${query}&page_size=100`);
          expect(page).toMatchObject({ total: expected.length, total_pages: expected.length === 0 ? 0 : 1 });
          expect(new Set(page.items.map(({ task_id }) => task_id))).toEqual(new Set(expected));
        });
      }

      test('of a session without tasks is empty', async () => {
        const empty = await acceptedSession();
        await flushed();
        expect(await pageOf(empty)).toEqual({
          session_id: empty,
          total: 0,
          page: 1,
          page_size: 20,
          total_pages: 0,
          items: [],
          next_cursor: null,
        });
      });
    });

    describe('recovery', () => {
      test('incomplete-sessions lists pending and processing ones, those included that are only in the buffer', async () => {
        const [stored, pending, completed, failed, cancelled, finished] = [
          aSession({ status: 'processing', total_tasks: 10, completed_tasks: 3, failed_tasks: 1 }),
          aSession({ status: 'pending' }),
          aSession({ status: 'completed' }),
          aSession({ status: 'failed' }),
          aSession({ status: 'cancelled' }),
          aSession({ status: 'processing' }),
        ] as const;
        await api.sessions([stored, completed, failed, cancelled, finished]);
        await flushed();
        await api.sessions([pending, { ...finished, status: 'completed' }]);

        const { status, body } = await api.get<{ count: number; sessions: SessionRecord[] }>(
          `${base}/recovery/incomplete-sessions`,
        );
        expect(status).toBe(200);
        expect(body.count).toBe(body.sessions.length);
        const listed = new Map(body.sessions.map((session) => [session.session_id, session]));
        expect(listed.size).toBe(body.sessions.length);
        expect(listed.get(stored.session_id)).toMatchObject({ ...stored, pending_tasks: 6, progress: 30 });
        expect(listed.get(pending.session_id)).toMatchObject(pending);
        for (const other of [completed, failed, cancelled, finished])
          expect(listed.has(other.session_id)).toBe(false);
        for (const { status: state } of body.sessions) expect(['pending', 'processing']).toContain(state);
      });

      test('restore returns a session and its unfinished tasks, those included that are only in the buffer', async () => {
        const session = aSession({ metadata: { user_id: 'u' }, total_tasks: 6, completed_tasks: 1 });
        const task = (status: TaskRecord['status']) => aTask(session.session_id, { status });
        const stored = [task('pending'), task('processing'), task('completed'), task('failed')] as const;
        await api.sessions([session]);
        await api.tasks(stored);
        await flushed();
        const buffered = [task('pending'), { ...stored[0], status: 'completed' }, task('failed')] as const;
        await api.tasks(buffered);
        await api.sessions([{ ...session, completed_tasks: 2 }]);

        const from = Math.floor(Date.now() / 1000) * 1000;
        const answer = await restored(session.session_id);
        expect(answer.headers.get('content-type')).toStartWith('application/json');
        expect(answer.body).toMatchObject({
          session_id: session.session_id,
          session: { ...session, completed_tasks: 2, pending_tasks: 4 },
          tasks_count: 2,
          restored_tasks_count: 2,
        });
        expect(answer.body.restored_at).toMatch(timeInSeconds);
        expect(Date.parse(answer.body.restored_at)).toBeGreaterThanOrEqual(from);
        expect(Object.keys(answer.body.tasks[0] ?? {}).sort()).toEqual(taskFields.toSorted());
        expect(byId(answer.body.tasks)).toEqual(byId([stored[1], buffered[0]].map(asRead)));
      });

      test('restore of a session that is only in the buffer, without tasks', async () => {
        const session = aSession();
        await api.sessions([session]);
        expect(await restored(session.session_id)).toMatchObject({
          status: 200,
          body: { session, tasks: [], tasks_count: 0, restored_tasks_count: 0 },
        });
      });

      test('restore of 2,500 unfinished tasks is complete, parseable, and holds no other session’s', async () => {
        const [session, other] = [aSession(), aSession()];
        await api.sessions([session, other]);
        const tasks = Array.from({ length: 3000 }, (_, row) =>
          aTask(session.session_id, {
            row_index: row,
            status: row % 6 === 5 ? 'completed' : row % 2 === 0 ? 'pending' : 'processing',
            source_text: `第 ${row} 行：你好，"冒险者"！\\ \n🐉`.repeat(1 + (row % 20)),
          }),
        );
        await api.tasks([aTask(other.session_id)]);
        for (let start = 0; start < tasks.length; start += 1000)
          await api.tasks(tasks.slice(start, start + 1000));
        const { body } = await restored(session.session_id);
        const unfinished = tasks.filter(({ status }) => status !== 'completed');
        expect(unfinished).toHaveLength(2500);
        expect(body.tasks_count).toBe(2500);
        expect(body.restored_tasks_count).toBe(2500);
        expect(byId(body.tasks)).toEqual(byId(unfinished.map(asRead)));
      });
    });

    describe('an id with any character works in the path', () => {
      const ids = [
        'a/b',
        '/',
        'a/../b',
        '..a..',
        'a b',
        ' ',
        '游戏 🐉',
        '100%',
        'a%2Fb',
        'a?b=c&d#e',
        'a+b',
        `'"\`\\`,
        ':session_id',
        '{id}',
        '*',
        'batch',
        '\u0001\u007f',
        'é',
        'e\u0301',
      ];
      for (const id of ids) {
        test(JSON.stringify(id), async () => {
          const session = aSession({ session_id: id });
          const task = aTask(id, { task_id: id });
          expectAccepted(await api.sessions([session]), 1, 0);
          expectAccepted(await api.tasks([task]), 1, 0);
          await flushed();
          expect(await sessionOf(session)).toMatchObject(session);
          expect(await taskOf(task)).toMatchObject(task);
          expect(await pageOf(id)).toMatchObject({ session_id: id, total: 1, items: [task] });
          expect((await restored(id)).body).toMatchObject({ session, tasks: [task] });
          const missing = await api.get<ErrorAnswer>(`${base}/sessions/${encodeURIComponent(`${id}!`)}`);
          expect(missing).toMatchObject({ status: 404, body: { session_id: `${id}!` } });
        });
      }
    });

    describe('the service itself', () => {
      test('GET / says that it runs, and its version', async () => {
        expect(await api.get('/')).toMatchObject({
          status: 200,
          body: { service: 'Persistence Service', status: 'running', version: serviceVersion },
        });
      });

      test('it answers by whatever name it is called', async () => {
        for (const host of ['db', 'api', 'localhost', 'persistence.example:8001', '[::1]:8001']) {
          const response = await fetch(`${service.url}/health`, { headers: { host } });
          expect({ host, status: response.status }).toEqual({ host, status: 200 });
        }
      });

      test('/health counts what is buffered, and what a flush leaves', async () => {
        await flushed();
        const session = aSession();
        await api.sessions([session, aSession()]);
        await api.tasks([aTask(session.session_id), aTask(session.session_id), aTask(session.session_id)]);
        const report = await health();
        expect(report).toMatchObject({
          status: 'healthy',
          database: 'healthy',
          buffer: {
            sessions_count: 2,
            tasks_count: 3,
            total_count: 5,
            capacity: 100_000,
            usage_percent: 0,
            last_flush: expect.stringMatching(timeInSeconds),
          },
          flusher: { state: 'idle' },
          journal: { state: 'open', oldest_unflushed_seconds: expect.any(Number) },
          version: serviceVersion,
        });
        expect(report.uptime_seconds).toBeGreaterThanOrEqual(0);
        expect(report.journal.bytes).toBeGreaterThan(0);
        await flushed();
        expect(await health()).toMatchObject({
          buffer: { sessions_count: 0, tasks_count: 0, total_count: 0 },
          journal: { oldest_unflushed_seconds: 0 },
        });
      });

      test('metrics are well-formed Prometheus text with the specified names', async () => {
        await api.sessions([aSession()]);
        const types = new Map((await metrics()).map(({ name, type }) => [name, type]));
        expect(types.get('persistence_api_requests_total')).toBe('counter');
        expect(types.get('persistence_api_duration_seconds_bucket')).toBe('histogram');
        expect(types.get('persistence_buffer_size')).toBe('gauge');
        expect(types.get('persistence_flush_total')).toBe('counter');
      });

      test('metrics count requests by route and status, flushes, and what is buffered', async () => {
        await flushed();
        const endpoint = `${base}/sessions/batch`;
        const accepted = { endpoint, method: 'POST', status: '200' };
        const refused = { endpoint, method: 'POST', status: '422' };
        const value = async (name: string, labels: Record<string, string> = {}) =>
          (await metrics()).find((sample) => sample.name === name && Bun.deepEquals(sample.labels, labels))
            ?.value ?? 0;
        const requests = 'persistence_api_requests_total';
        const before = {
          accepted: await value(requests, accepted),
          refused: await value(requests, refused),
          flushes: await value('persistence_flush_total'),
        };
        await api.sessions([aSession(), aSession()]);
        await api.sessions([]);
        expect(await value('persistence_buffer_size', { type: 'session' })).toBe(2);
        expect(await value('persistence_buffer_size', { type: 'task' })).toBe(0);
        // A request is counted when its answer is out: a moment after the client has it.
        await waitUntil('both requests are counted', async () => {
          return (
            (await value(requests, accepted)) === before.accepted + 1 &&
            (await value(requests, refused)) === before.refused + 1
          );
        });
        await flushed();
        expect(await value('persistence_flush_total')).toBe(before.flushes + 1);
        expect(await value('persistence_buffer_size', { type: 'session' })).toBe(0);
      });

      test('labels of metrics carry the patterns of routes, never an id or a path that was asked for', async () => {
        const id = `label-${crypto.randomUUID()}`.slice(0, 36);
        await api.get(`${base}/sessions/${id}`);
        await api.get(`${base}/sessions/${id}/tasks?sheet_name=${id}`);
        await api.get(`${base}/tasks/${id}`);
        await api.get(`/nothing/${id}`);
        await api.get(`/${id}`);
        await restored(id);
        const pattern = `${base}/sessions/:session_id`;
        await waitUntil('the request is counted', async () =>
          (await metrics()).some(({ labels }) => labels.endpoint === pattern && labels.status === '404'),
        );
        const known = new Set([...routesOfApp().map(({ path }) => path), 'none']);
        for (const { labels } of await metrics()) {
          if (labels.endpoint !== undefined) expect([...known]).toContain(labels.endpoint);
          expect(JSON.stringify(labels)).not.toContain(id);
        }
      });

      test('/openapi.json lists every route, with a summary', async () => {
        const { status, body } = await api.get<{
          openapi: string;
          info: { version: string };
          paths: Record<string, Record<string, { summary?: string }>>;
        }>('/openapi.json');
        expect(status).toBe(200);
        expect(body.openapi).toStartWith('3.');
        expect(body.info.version).toBe(serviceVersion);
        const listed = Object.entries(body.paths).flatMap(([path, operations]) =>
          Object.entries(operations).map(([method, { summary }]) => {
            expect({ path, method, summary }).toEqual({ path, method, summary: expect.any(String) });
            return `${method.toUpperCase()} ${path}`;
          }),
        );
        const routes = routesOfApp()
          .filter(({ path }) => !/^\/(docs|redoc|openapi\.json)(\/|$)/.test(path))
          .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
        expect(routes.length).toBeGreaterThanOrEqual(11);
        expect(listed.toSorted()).toEqual(routes.toSorted());
      });
    });

    async function flushed(): Promise<Flushed> {
      const { status, body } = await api.flush<Flushed>();
      expect({ status, body }).toMatchObject({ status: 200, body: { status: 'flushed' } });
      return body;
    }

    async function acceptedSession(): Promise<string> {
      const session = aSession();
      expectAccepted(await api.sessions([session]), 1, 0);
      return session.session_id;
    }

    async function sessionOf(session: Pick<SessionRecord, 'session_id'> | undefined): Promise<Fields> {
      return await found(`${base}/sessions/${encodeURIComponent(session?.session_id ?? '')}`);
    }

    async function taskOf(task: Pick<TaskRecord, 'task_id'> | undefined): Promise<Fields> {
      return await found(`${base}/tasks/${encodeURIComponent(task?.task_id ?? '')}`);
    }

    async function pageOf(sessionId: string, query = ''): Promise<TaskPage> {
      return await found(`${base}/sessions/${encodeURIComponent(sessionId)}/tasks?${query}`);
    }

    async function found<Body>(path: string): Promise<Body> {
      const { status, body } = await api.get<Body>(path);
      expect({ status, body }).toMatchObject({ status: 200 });
      return body;
    }

    function restored(sessionId: string): Promise<Answer<Restored>> {
      return api.post(`${base}/recovery/restore/${encodeURIComponent(sessionId)}`);
    }

    async function health(): Promise<HealthReport> {
      return await found('/health');
    }

    async function metrics(): Promise<Sample[]> {
      const response = await fetch(`${service.url}/api/v1/system/metrics`);
      expect(response.headers.get('content-type')).toStartWith('text/plain');
      return parseMetrics(await response.text());
    }
  });
}

test('half of a session done in ten minutes leaves ten more', () => {
  const stored = {
    ...Object.fromEntries(sessionFields.map((name) => [name, null])),
    status: 'processing',
    total_tasks: 1000,
    completed_tasks: 450,
    failed_tasks: 50,
    processing_tasks: 10,
    created_at: Date.UTC(2025, 8, 30, 10),
    updated_at: Date.UTC(2025, 8, 30, 10, 10, 0, 400),
    version: 1,
  };
  expect(sessionView(stored)).toMatchObject({
    pending_tasks: 490,
    progress: 45,
    estimated_completion: '2025-09-30T10:20:01Z',
  });
});

interface Flushed {
  status: string;
  sessions_written: number;
  tasks_written: number;
  duration_ms: number;
}

interface TaskPage {
  session_id: string;
  total: number;
  page: number;
  page_size: number;
  next_cursor?: string | null;
  total_pages: number;
  items: Fields[];
}

interface Restored {
  session: Fields;
  tasks: Fields[];
  tasks_count: number;
  restored_tasks_count: number;
  restored_at: string;
}

interface HealthReport {
  journal: { bytes: number };
  quarantine: { records: number };
  uptime_seconds: number;
}

/** Every field that the specification shows, and no other. */
const sessionFields = [
  'session_id',
  'filename',
  'file_path',
  'status',
  'game_info',
  'llm_provider',
  'metadata',
  'total_tasks',
  'completed_tasks',
  'failed_tasks',
  'processing_tasks',
  'pending_tasks',
  'progress',
  'created_at',
  'updated_at',
  'estimated_completion',
];
const taskFields = [
  'task_id',
  'session_id',
  'batch_id',
  'sheet_name',
  'row_index',
  'column_name',
  'source_text',
  'target_text',
  'context',
  'status',
  'confidence',
  'error_message',
  'retry_count',
  'start_time',
  'end_time',
  'duration_ms',
  'created_at',
  'updated_at',
];

function expectAccepted({ status, body }: Answer<unknown>, count: number, fromMs: number): void {
  expect({ status, body }).toEqual({
    status: 200,
    body: { status: 'accepted', count, timestamp: expect.stringMatching(timeInSeconds) },
  });
  const timestampMs = Date.parse((body as { timestamp: string }).timestamp);
  expect(timestampMs).toBeGreaterThanOrEqual(fromMs);
  expect(timestampMs).toBeLessThanOrEqual(Date.now());
}

function expectFlushed(answer: Flushed, written: Partial<Flushed> = {}): void {
  expect(answer).toEqual({
    status: 'flushed',
    sessions_written: expect.any(Number),
    tasks_written: expect.any(Number),
    duration_ms: expect.any(Number),
    ...written,
  });
  expect(answer.duration_ms).toBeGreaterThanOrEqual(0);
}

/** The times before and after a call, in milliseconds. */
async function acceptedBetween(call: () => Promise<Answer<unknown>>): Promise<[number, number]> {
  const before = Date.now();
  expect(await call()).toMatchObject({ status: 200 });
  return [before, Date.now()];
}

function expectWithin(instant: unknown, [from, to]: [number, number]): void {
  expect(instant).toMatch(time);
  expect(Date.parse(String(instant))).toBeGreaterThanOrEqual(from);
  expect(Date.parse(String(instant))).toBeLessThanOrEqual(to);
}

async function nextMillisecond(): Promise<void> {
  const now = Date.now();
  await waitUntil('the clock moves on', () => Date.now() > now + 1);
}

/** A task as the API shows it, but for the two times of acceptance. */
function asRead(task: TaskRecord): Fields {
  return { ...Object.fromEntries(taskFields.map((name) => [name, null])), retry_count: 0, ...task };
}

/** Tasks by their ids, without the two times of acceptance. */
function byId(tasks: readonly Fields[]): Map<unknown, Fields> {
  const entries = tasks.map(({ created_at: _, updated_at: __, ...task }) => [task.task_id, task] as const);
  expect(new Set(entries.map(([id]) => id)).size).toBe(tasks.length);
  return new Map(entries.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}

function routesOfApp(): { method: string; path: string }[] {
  const parts = {
    metrics: new Registry(),
    logger: silentLogger,
    bodyBytesMax: 1,
    requestLimit: new RequestLimit({ requestsMax: 1, bytesMax: 1, bodyBytesMax: 1 }),
  };
  return createApp(parts as AppParts).routes.map(({ method, path }) => ({ method, path }));
}

interface Sample {
  name: string;
  type: string;
  labels: Record<string, string>;
  value: number;
}

/** Reads the text format strictly: each sample belongs to a metric whose HELP and TYPE stand before it. */
function parseMetrics(text: string): Sample[] {
  expect(text).toEndWith('\n');
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const help = /^# HELP ([a-z\d_]+) \S.*$/.exec(line);
    const type = /^# TYPE ([a-z\d_]+) (counter|gauge|histogram|summary)$/.exec(line);
    const sample = /^([a-z\d_]+)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|\+Inf)$/.exec(line);
    if (help?.[1] !== undefined) helps.add(help[1]);
    else if (type?.[1] !== undefined) types.set(type[1], type[2] ?? '');
    else if (sample?.[1] !== undefined) {
      const [, name, labels = '', value] = sample;
      const metric = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      expect({ line, help: helps.has(metric), type: types.has(metric) }).toEqual({
        line,
        help: true,
        type: true,
      });
      samples.push({
        name,
        type: types.get(metric) ?? '',
        labels: parseLabels(labels),
        value: Number(value),
      });
    } else throw new Error(`No line of Prometheus text: ${line}`);
  }
  const keys = samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
  expect(new Set(keys).size).toBe(keys.length);
  return samples;
}

function parseLabels(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\.)*)"(?:,|$)/g)];
  expect(pairs.map(([pair]) => pair).join('')).toBe(text);
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
}
