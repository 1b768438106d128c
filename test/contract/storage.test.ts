import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { backendsOf } from '../../src/config/backends.ts';
import { loadConfig } from '../../src/config/load.ts';
import {
  type SessionRecord,
  sessions,
  type TaskRecord,
  tasks,
} from '../../src/modules/translation/records.ts';
import type { Collection, GivenRecord } from '../../src/storage/collection.ts';
import { type PendingRecord, type StorageBackend, StorageError, scan } from '../../src/storage/contract.ts';
import { textBytesMax } from '../../src/storage/field.ts';
import { MysqlBackend } from '../../src/storage/mysql/backend.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { aSession, aTask } from '../support/records.ts';
import { storages, type TestDatabase } from '../support/storages.ts';

/** The guarantees of `StorageBackend`, the same for every plugin. */
for (const storage of storages) {
  describe(`storage contract on ${storage.name}`, () => {
    let database: TestDatabase;
    let backend: StorageBackend;

    beforeAll(async () => {
      database = await storage.create();
      backend = backendAt(database.url);
      await backend.open();
    });

    afterAll(async () => {
      await backend.close();
      await database[Symbol.asyncDispose]();
    });

    const write = (collection: Collection, ...records: PendingRecord[]) => backend.write(collection, records);

    async function storedSession(): Promise<string> {
      const session = aSession();
      await write(sessions, pending(session, 1000));
      return session.session_id;
    }

    test('opening again, also by another instance at the same time, changes nothing', async () => {
      const id = await storedSession();
      const others = [backendAt(database.url), backendAt(database.url)];
      await Promise.all(others.map((other) => other.open()));
      for (const other of others) {
        expect(await other.read(sessions, id)).toMatchObject({ session_id: id });
        await other.close();
      }
    });

    test('every field of a session comes back as it was written', async () => {
      const session = aSession({
        filename: '游戏 🎮.xlsx',
        status: 'cancelled',
        game_info: { name: '幻想', nested: [1, 2.5, null, true, { deep: 'ü' }] },
        metadata: {},
        total_tasks: 10,
        completed_tasks: 4,
        failed_tasks: 1,
        processing_tasks: 2,
      });
      await write(sessions, pending(session, 1_700_000_000_123_456));
      expect(await backend.read(sessions, session.session_id)).toEqual({
        ...session,
        created_at: 1_700_000_000_123,
        updated_at: 1_700_000_000_123,
        version: 1_700_000_000_123_456,
      });
    });

    test('every field of a task comes back as it was written, times as UTC milliseconds', async () => {
      const task = aTask(await storedSession(), {
        source_text: 'a\u0000b\\ \' " ` % ? \r\n\t🐉 𠮷 é',
        target_text: '',
        context: '\u0001',
        status: 'completed',
        confidence: 0.1234,
        error_message: "'; --",
        retry_count: 7,
        start_time: '2040-02-29T23:59:59.999+02:30',
        end_time: '1000-01-01T00:00:00',
        duration_ms: 2_147_483_647,
      });
      await write(tasks, pending(task, 5000));
      expect(await backend.read(tasks, task.task_id)).toEqual({
        ...task,
        start_time: Date.UTC(2040, 1, 29, 21, 29, 59, 999),
        end_time: Date.UTC(1000, 0, 1),
        created_at: 5,
        updated_at: 5,
        version: 5000,
      });
    });

    test('the longest texts that validation lets through fit', async () => {
      const longest = '🐉'.repeat(Math.floor(textBytesMax / 4));
      const session = aSession({
        session_id: '🐉'.repeat(36),
        filename: '🐉'.repeat(255),
        file_path: '🐉'.repeat(512),
        llm_provider: '🐉'.repeat(50),
      });
      const task = aTask(session.session_id, {
        task_id: '🐉'.repeat(64),
        batch_id: '🐉'.repeat(64),
        sheet_name: '🐉'.repeat(255),
        column_name: '🐉'.repeat(255),
        source_text: longest,
        target_text: longest,
        context: longest,
        error_message: longest,
      });
      await write(sessions, pending(session, 1000));
      await write(tasks, pending(task, 1000));
      expect(await backend.read(sessions, session.session_id)).toMatchObject(session);
      expect(await backend.read(tasks, task.task_id)).toMatchObject(task);
    });

    test('fields that a new record does not give are null, counters zero', async () => {
      const task = aTask(await storedSession());
      await write(tasks, pending(task, 1000));
      expect(await backend.read(tasks, task.task_id)).toMatchObject({
        target_text: null,
        confidence: null,
        start_time: null,
        retry_count: 0,
      });
    });

    test('an update keeps what it does not give, and clears what it gives as null', async () => {
      const task = aTask(await storedSession(), { target_text: 'old', context: 'kept', retry_count: 3 });
      await write(tasks, pending(task, 1000));
      const { context: _, ...update } = { ...task, target_text: null, retry_count: null };
      await write(tasks, pending(update, 2000));
      expect(await backend.read(tasks, task.task_id)).toMatchObject({
        target_text: null,
        context: 'kept',
        retry_count: 0,
      });
    });

    test('an older version never overwrites a newer one, whatever the order of arrival', async () => {
      const id = await storedSession();
      const task = aTask(id, { target_text: 'newer' });
      await write(tasks, pending(task, 9000));
      await write(tasks, pending({ ...task, target_text: 'older', status: 'failed' }, 3000));
      expect(await backend.read(tasks, task.task_id)).toMatchObject({
        target_text: 'newer',
        status: 'pending',
        version: 9000,
        updated_at: 9,
      });
    });

    test('a newer version changes every field that may change, together or alone', async () => {
      const task = aTask(await storedSession());
      const changed = {
        batch_id: 'batch_002',
        sheet_name: 'Items',
        row_index: 7,
        column_name: 'Name',
        source_text: 'Sword',
        target_text: '剑',
        context: 'a weapon',
        status: 'completed',
        confidence: 0.5,
        error_message: 'none',
        retry_count: 2,
        duration_ms: 12,
      } as const;
      await write(tasks, pending(task, 1000));
      let expected: GivenRecord = task;
      for (const [index, [field, value]] of Object.entries(changed).entries()) {
        expected = { ...expected, [field]: value };
        await write(tasks, pending(expected, 2000 + index));
        expect(await backend.read(tasks, task.task_id)).toMatchObject(expected);
      }
      await write(tasks, pending(task, 9000));
      expect(await backend.read(tasks, task.task_id)).toMatchObject({ ...task, target_text: '剑' });
      await write(tasks, pending({ ...task, ...changed }, 9001));
      expect(await backend.read(tasks, task.task_id)).toMatchObject({ ...changed, version: 9001 });
    });

    test('created_at is the first acceptance, even when the older write arrives later', async () => {
      const session = aSession();
      await write(sessions, pending(session, 9000));
      await write(sessions, pending(session, 3000));
      expect(await backend.read(sessions, session.session_id)).toMatchObject({
        created_at: 3,
        updated_at: 9,
      });
    });

    test('counters never go down, whichever version is older; processing_tasks takes the newest', async () => {
      const session = aSession({
        total_tasks: 100,
        completed_tasks: 50,
        failed_tasks: 5,
        processing_tasks: 9,
      });
      await write(sessions, pending(session, 5000));
      await write(
        sessions,
        pending({ ...session, completed_tasks: 40, failed_tasks: 4, processing_tasks: 1 }, 6000),
      );
      await write(
        sessions,
        pending({ ...session, completed_tasks: 60, failed_tasks: 3, processing_tasks: 7 }, 4000),
      );
      await write(sessions, pending({ ...session, completed_tasks: null, processing_tasks: 2 }, 7000));
      expect(await backend.read(sessions, session.session_id)).toMatchObject({
        total_tasks: 100,
        completed_tasks: 60,
        failed_tasks: 5,
        processing_tasks: 2,
      });
    });

    test('the same write twice changes nothing', async () => {
      const task = aTask(await storedSession(), { target_text: 'x' });
      await write(tasks, pending(task, 1000));
      const once = await backend.read(tasks, task.task_id);
      await write(tasks, pending(task, 1000));
      expect(await backend.read(tasks, task.task_id)).toEqual(once as NonNullable<typeof once>);
    });

    test('ids that differ in case, accents or trailing spaces are different', async () => {
      const ids = ['abc', 'ABC', 'abc ', ' abc', 'äbc', 'ábc', 'ａｂｃ', 'abc\u0000'];
      await write(
        sessions,
        ...ids.map((id) => pending(aSession({ session_id: id, filename: `file of ${id}` }), 1000)),
      );
      for (const id of ids) {
        expect(await backend.read(sessions, id)).toMatchObject({ session_id: id, filename: `file of ${id}` });
      }
      expect(await backend.existing(sessions, [...ids, 'Abc'])).toEqual(new Set(ids));
    });

    test('records of one call may give different fields', async () => {
      const id = await storedSession();
      const batch = [
        aTask(id, { target_text: 'a' }),
        aTask(id),
        aTask(id, { confidence: 0.5, target_text: null }),
        aTask(id, { end_time: '2025-01-01T00:00:00Z' }),
      ];
      await write(tasks, ...batch.map((task, index) => pending(task, 1000 + index)));
      const stored = await Promise.all(batch.map((task) => backend.read(tasks, task.task_id)));
      expect(stored.map((task) => [task?.target_text, task?.confidence])).toEqual([
        ['a', null],
        [null, null],
        [null, 0.5],
        [null, null],
      ]);
    });

    for (const clears of [true, false]) {
      const title = `each record of one call changes only what it gives, where ${clears ? 'one' : 'none'} of them clears a field`;
      test(title, async () => {
        const id = await storedSession();
        const full = {
          target_text: 'old',
          context: 'old',
          confidence: 0.25,
          error_message: 'old',
          retry_count: 3,
          start_time: '2025-01-01T00:00:00Z',
          duration_ms: 5,
        };
        const changes: Partial<TaskRecord>[] = [
          { target_text: 'new' },
          { context: clears ? null : 'new', retry_count: 0 },
          { confidence: 0.5, duration_ms: 0, error_message: '' },
          {},
        ];
        const before = changes.map(() => aTask(id, full));
        await write(tasks, ...before.map((task) => pending(task, 1000)));
        const keys = before.map(({ task_id }) => task_id);
        const updates = changes.map((change, index) =>
          aTask(id, { task_id: keys[index] as string, ...change }),
        );
        await write(tasks, ...updates.map((task) => pending(task, 2000)));
        const unchanged = await backend.read(tasks, keys[3] as string);
        expect(unchanged).toMatchObject({ ...full, start_time: Date.parse(full.start_time) });
        for (const [index, change] of changes.entries()) {
          const { task_id: _, ...rest } = { task_id: '', ...unchanged };
          expect(await backend.read(tasks, keys[index] as string)).toMatchObject({ ...rest, ...change });
        }
      });
    }

    test('documents are kept by a call in which only another record gives them', async () => {
      const game_info = { name: '幻想', tags: ['a', 1, null] };
      const batch = [aSession({ game_info }), aSession()];
      await write(sessions, ...batch.map((session) => pending(session, 1000)));
      const [first, second] = batch.map(({ session_id }) => aSession({ session_id }));
      await write(
        sessions,
        pending(first as SessionRecord, 2000),
        pending({ ...second, game_info: { other: true } }, 2000),
      );
      const stored = await Promise.all(batch.map(({ session_id }) => backend.read(sessions, session_id)));
      expect(stored.map((session) => session?.game_info)).toEqual([game_info, { other: true }]);
    });

    test('a task never moves to another session: the write is refused and changes nothing', async () => {
      const task = aTask(await storedSession(), { target_text: 'mine' });
      await write(tasks, pending(task, 1000));
      const stray = { ...task, session_id: await storedSession(), target_text: 'stolen' };
      expect(await remedyOf(write(tasks, pending(stray, 2000)))).toBe('refuse');
      expect(await backend.read(tasks, task.task_id)).toMatchObject({
        session_id: task.session_id,
        target_text: 'mine',
        version: 1000,
      });
    });

    test('a task without its session is refused', async () => {
      expect(await remedyOf(write(tasks, pending(aTask(crypto.randomUUID()), 1000)))).toBe('refuse');
    });

    test('queries filter, sort with ties broken by the key, and page', async () => {
      const id = await storedSession();
      const batch = Array.from({ length: 10 }, (_, index) =>
        aTask(id, {
          task_id: `${id}-${index}`,
          status: index % 2 === 0 ? 'pending' : 'completed',
          sheet_name: index < 5 ? 'A' : 'a',
        }),
      );
      await write(tasks, ...batch.map((task, index) => pending(task, 1_000_000 * Math.floor(index / 4))));
      const where = [{ field: 'session_id', is: 'equal', value: id }] as const;
      const suffixes = async (query: Partial<Parameters<StorageBackend['query']>[1]>): Promise<string> => {
        const rows = await backend.query(tasks, {
          where,
          orderBy: { field: 'created_at', direction: 'asc' },
          limit: 100,
          ...query,
        });
        return rows.map((row) => String(row.task_id).slice(-1)).join('');
      };
      expect(await suffixes({})).toBe('0123456789');
      expect(await suffixes({ orderBy: { field: 'created_at', direction: 'desc' } })).toBe('9876543210');
      expect(await suffixes({ limit: 3, offset: 4 })).toBe('456');
      expect(await suffixes({ limit: 3, after: { value: 1000, key: `${id}-5` } })).toBe('678');
      expect(
        await suffixes({
          where: [...where, { field: 'status', is: 'any of', values: ['completed', 'failed'] }],
        }),
      ).toBe('13579');
      expect(await suffixes({ where: [...where, { field: 'sheet_name', is: 'equal', value: 'a' }] })).toBe(
        '56789',
      );
      expect(await backend.count(tasks, [...where, { field: 'status', is: 'equal', value: 'pending' }])).toBe(
        5,
      );
    });

    test('a scan visits each record once, in the order of keys', async () => {
      const id = await storedSession();
      const batch = Array.from({ length: 25 }, (_, index) =>
        aTask(id, { task_id: `${id}-${String(index).padStart(2, '0')}` }),
      );
      await write(tasks, ...batch.map((task) => pending(task, 1000)));
      const seen: unknown[] = [];
      for await (const row of scan(backend, tasks, [{ field: 'session_id', is: 'equal', value: id }], {
        pageRows: 10,
      }))
        seen.push(row.task_id);
      expect(seen).toEqual(batch.map((task) => task.task_id));
    });

    const ofKey = (id: string) => ({ field: 'session_id', is: 'equal', value: id }) as const;

    test('removing a session removes its tasks, and says whether there was one', async () => {
      const id = await storedSession();
      const task = aTask(id);
      await write(tasks, pending(task, 1000));
      expect(await backend.remove(sessions, { where: [ofKey(id)], limit: 10 })).toBe(1);
      expect(await backend.read(tasks, task.task_id)).toBeUndefined();
      expect(await backend.remove(sessions, { where: [ofKey(id)], limit: 10 })).toBe(0);
    });

    test('a removal takes what matches, no more than its limit at a time', async () => {
      const [id, other] = [await storedSession(), await storedSession()];
      const batch = Array.from({ length: 5 }, (_, index) => pending(aTask(id), 1000 + index));
      await write(tasks, ...batch, pending(aTask(other), 1000));
      const where = [ofKey(id), { field: 'version', is: 'at most', value: 1003 }] as const;
      const removed: number[] = [];
      for (let call = 0; call < 3; call += 1) removed.push(await backend.remove(tasks, { where, limit: 3 }));
      expect(removed).toEqual([3, 1, 0]);
      expect(await backend.count(tasks, [ofKey(id)])).toBe(1);
      expect(await backend.count(tasks, [ofKey(other)])).toBe(1);
    });

    test('what was deleted is not written by anything that is not newer, and what belongs to it neither', async () => {
      const session = aSession();
      const id = session.session_id;
      await backend.markDeleted(sessions, { key: id, version: 5000, deletedAtMs: 5 });
      await write(sessions, pending(session, 5000));
      expect(await backend.read(sessions, id)).toBeUndefined();
      const [late, newer] = [aTask(id), aTask(id)];
      await write(tasks, pending(late, 4000));
      await write(sessions, pending(session, 5001));
      await write(tasks, pending(late, 5000), pending(newer, 5001));
      expect(await backend.read(sessions, id)).toMatchObject({ version: 5001 });
      expect(await backend.read(tasks, late.task_id)).toBeUndefined();
      expect(await backend.read(tasks, newer.task_id)).toMatchObject({ version: 5001 });
    });

    test('of several deletions of a record the newest counts, in whatever order they come', async () => {
      const session = aSession();
      for (const version of [5000, 9000, 7000]) {
        await backend.markDeleted(sessions, { key: session.session_id, version, deletedAtMs: 5 });
      }
      await write(sessions, pending(session, 8000));
      expect(await backend.read(sessions, session.session_id)).toBeUndefined();
    });

    test('what is kept aside is purged after its time, and a deletion is forgotten with it', async () => {
      const session = aSession({ game_info: { name: '幻想' } });
      const id = session.session_id;
      await backend.purge(Number.MAX_SAFE_INTEGER / 1000, 1_000_000);
      await write(sessions, pending(session, 1000));
      await write(tasks, ...[aTask(id), aTask(id)].map((task) => pending(task, 1000)));
      await backend.markDeleted(sessions, { key: id, version: 2000, deletedAtMs: 70_000 });
      await backend.remove(tasks, { where: [ofKey(id)], limit: 10, keptSinceMs: 70_000 });
      await backend.remove(sessions, { where: [ofKey(id)], limit: 10, keptSinceMs: 70_000 });
      expect(await backend.count(tasks, [ofKey(id)])).toBe(0);
      expect(await backend.purge(70_000, 10)).toBe(0);
      expect([await backend.purge(70_001, 2), await backend.purge(70_001, 2)]).toEqual([2, 1]);
      await write(sessions, pending(session, 1000));
      expect(await backend.read(sessions, id)).toMatchObject({ version: 1000 });
    });

    test('a record without its required fields changes what is stored, and creates nothing', async () => {
      const session = aSession({ total_tasks: 5, metadata: { a: 1 } });
      await write(sessions, pending(session, 1_000_000));
      const change = (id: string, version: number) => pending({ session_id: id, status: 'failed' }, version);
      await write(sessions, change(session.session_id, 2_000_000), change('nobody', 2_000_000));
      expect(await backend.read(sessions, session.session_id)).toMatchObject({
        ...session,
        status: 'failed',
        created_at: 1000,
        updated_at: 2000,
      });
      expect(await backend.read(sessions, 'nobody')).toBeUndefined();
      await write(sessions, pending({ session_id: session.session_id, status: 'pending' }, 1_500_000));
      expect(await backend.read(sessions, session.session_id)).toMatchObject({
        status: 'failed',
        version: 2_000_000,
      });
    });

    test('counts by a field, and means of durations', async () => {
      const id = await storedSession();
      const batch = [1000, 2000, undefined].map((duration_ms, index) =>
        aTask(id, { status: index === 0 ? 'failed' : 'completed', ...(duration_ms && { duration_ms }) }),
      );
      const [first] = batch;
      await write(tasks, ...batch.map((task) => pending(task, 1000)));
      await write(tasks, pending({ ...first }, 3_500_000));
      const counts = await backend.countBy(tasks, 'status');
      expect(counts.get('failed')).toBe(
        await backend.count(tasks, [{ field: 'status', is: 'equal', value: 'failed' }]),
      );
      expect(await backend.averageMs(tasks, [ofKey(id)], { field: 'duration_ms' })).toBe(1500);
      const life = { from: 'created_at', to: 'updated_at' };
      expect(await backend.averageMs(tasks, [ofKey(id)], life)).toBeCloseTo(3499 / 3, 2);
      expect(await backend.averageMs(tasks, [ofKey('nobody')], life)).toBeUndefined();
      expect(await backend.sizeBytes()).toBeGreaterThan(10_000);
    });

    test('what is done exclusively is done by one instance at a time', async () => {
      const other = backendAt(database.url);
      const begun = Promise.withResolvers<void>();
      const end = Promise.withResolvers<void>();
      const first = backend.exclusively('test', async () => {
        begun.resolve();
        await end.promise;
        return 'first';
      });
      await begun.promise;
      expect(await other.exclusively('test', async () => 'second')).toBeUndefined();
      expect(await other.exclusively('another', async () => 'second')).toBe('second');
      end.resolve();
      expect(await first).toBe('first');
      const failure = new Error('of the action');
      expect(other.exclusively('test', () => Promise.reject(failure))).rejects.toBe(failure);
      expect(await other.exclusively('test', async () => 'third')).toBe('third');
      await other.close();
    });

    test('a thousand records in one call', async () => {
      const id = await storedSession();
      const batch = Array.from({ length: 1000 }, () =>
        aTask(id, { source_text: '你好，冒险者！'.repeat(20) }),
      );
      await write(tasks, ...batch.map((task) => pending(task, 1000)));
      expect(await backend.count(tasks, [{ field: 'session_id', is: 'equal', value: id }])).toBe(1000);
    });

    test('single records that are read at the same time are each its own, and as stored when it was asked for', async () => {
      const id = await storedSession();
      const batch = Array.from({ length: 250 }, (_, row) => aTask(id, { row_index: row }));
      await write(tasks, ...batch.map((task) => pending(task, 1000)));
      const first = batch[0] as TaskRecord;
      const before = [...batch, ...batch].map((task) => backend.read(tasks, task.task_id));
      const missing = backend.read(tasks, 'nothing');
      const ofSession = backend.read(sessions, id);
      await write(tasks, pending({ ...first, row_index: 999 }, 2000));
      const after = backend.read(tasks, first.task_id);
      const rows = (await Promise.all(before)).map((task) => task?.row_index);
      expect(rows.slice(1, 250)).toEqual(batch.slice(1).map((task) => task.row_index));
      expect(rows.slice(251)).toEqual(batch.slice(1).map((task) => task.row_index));
      expect(await missing).toBeUndefined();
      expect(await ofSession).toMatchObject({ session_id: id });
      expect(await after).toMatchObject({ row_index: 999 });
    });

    test('the health check passes', async () => {
      await backend.healthCheck();
    });
  });
}

test('storage that cannot be reached says retry, for every kind of call', async () => {
  const unreachable = new MysqlBackend({
    host: '127.0.0.1',
    port: 1,
    user: 'a',
    password: 'b',
    database: 'c',
    poolSize: 1,
    statementLimitMs: 30_000,
  });
  expect(await remedyOf(unreachable.open())).toBe('retry');
  expect(await remedyOf(unreachable.read(sessions, 'x'))).toBe('retry');
  expect(await remedyOf(unreachable.write(sessions, [pending(aSession(), 1000)]))).toBe('retry');
  await unreachable.close();

  const readOnly = new SqliteBackend('/proc/persistence/test.sqlite');
  expect(await remedyOf(readOnly.open())).toBe('retry');
  await readOnly.close();
});

function pending(record: GivenRecord, version: number): PendingRecord {
  return { record, version, firstVersion: version };
}

function backendAt(url: string): StorageBackend {
  const config = loadConfig({ flags: { 'database.url': url }, environment: {} });
  const [backend] = Object.values(backendsOf(config, []));
  if (backend === undefined) throw new Error(`No backend for ${url}`);
  return backend.type === 'mysql' ? new MysqlBackend(backend.connection) : new SqliteBackend(backend.path);
}

/** The remedy of a rejected call, or what it resolved with. */
async function remedyOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    return error instanceof StorageError ? error.remedy : error;
  }
}
