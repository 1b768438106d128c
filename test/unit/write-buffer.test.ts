import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import fc from 'fast-check';
import type { FlushSet } from '../../src/engine/flush-set.ts';
import { WriteBuffer } from '../../src/engine/write-buffer.ts';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import { type Collection, type GivenRecord, keyOf } from '../../src/storage/collection.ts';
import type { PendingRecord } from '../../src/storage/contract.ts';
import { SqliteStore } from '../../src/storage/sqlite/store.ts';
import { aSession, aTask } from '../support/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let buffer: WriteBuffer;
let sequence: number;

beforeEach(() => {
  buffer = new WriteBuffer();
  sequence = 0;
});

const versionOf = (frame: number): number => 1_759_226_400_000_000 + frame * 1000;

/** Merges records as the next frame. */
function merge(collection: Collection, ...records: GivenRecord[]): number {
  sequence += 1;
  buffer.merge(collection, records, { sequence, version: versionOf(sequence) }, 100 * records.length);
  return versionOf(sequence);
}

function taken(): FlushSet {
  const set = buffer.take();
  if (set === undefined) throw new Error('The buffer was empty.');
  return set;
}

const entryOf = (set: FlushSet, collection: Collection, key: string): PendingRecord | undefined =>
  set.records.get(collection.name)?.get(key);

describe('the buffer', () => {
  test('keeps one entry a key, with the version of its last write and of its first', () => {
    const session = aSession({ status: 'pending', total_tasks: 10 });
    const first = merge(sessions, session);
    merge(sessions, aSession());
    const last = merge(sessions, { ...session, status: 'completed', total_tasks: 4 });
    expect(buffer.sizeOf(sessions.name)).toBe(2);
    expect(buffer.waitingSize).toBe(2);
    expect(entryOf(taken(), sessions, session.session_id)).toMatchObject({
      record: { ...session, status: 'completed', total_tasks: 10 },
      version: last,
      firstVersion: first,
    });
  });

  test('merges records of one key within one frame in the order in which they were sent', () => {
    const session = aSession({ status: 'pending' });
    merge(
      sessions,
      session,
      { ...session, status: 'completed', total_tasks: 3 },
      { ...session, status: 'failed' },
    );
    expect(buffer.waitingSize).toBe(1);
    expect(entryOf(taken(), sessions, session.session_id)?.record).toMatchObject({
      status: 'failed',
      total_tasks: 3,
    });
  });

  test('keeps the same key of two collections apart, and ids that differ in case', () => {
    const session = aSession({ session_id: 'same' });
    merge(sessions, session, aSession({ session_id: 'SAME' }));
    merge(tasks, aTask('same', { task_id: 'same' }));
    expect(buffer.sizeOf(sessions.name)).toBe(2);
    expect(buffer.sizeOf(tasks.name)).toBe(1);
    expect(buffer.has(tasks, 'SAME')).toBe(false);
  });

  test('takes keys that every object has, and fields of such names, for what they are', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      expect(buffer.has(sessions, key)).toBe(false);
      const record = JSON.parse(
        JSON.stringify(aSession({ session_id: key })).replace('{', '{"__proto__":{"polluted":true},'),
      ) as GivenRecord;
      merge(sessions, record);
      merge(sessions, { ...record, status: 'completed' });
      expect(buffer.has(sessions, key)).toBe(true);
    }
    const set = taken();
    expect(set.records.get(sessions.name)?.size).toBe(3);
    expect(entryOf(set, sessions, '__proto__')?.record).toMatchObject({ status: 'completed' });
    expect(entryOf(set, sessions, '__proto__')?.record.polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('refuses frames out of order', () => {
    merge(sessions, aSession());
    expect(() => buffer.merge(sessions, [aSession()], { sequence: 1, version: versionOf(2) }, 100)).toThrow(
      'Invariant broken',
    );
  });

  test('knows the oldest write that storage does not have yet', () => {
    expect(buffer.oldestVersion).toBeUndefined();
    const first = merge(sessions, aSession());
    const second = merge(sessions, aSession());
    expect(buffer.oldestVersion).toBe(first);
    const set = taken();
    const third = merge(sessions, aSession());
    expect(buffer.oldestVersion).toBe(first);
    buffer.settle(set);
    expect(buffer.oldestVersion).toBe(third);
    expect(third).toBeGreaterThan(second);
    buffer.settle(taken());
    expect(buffer.oldestVersion).toBeUndefined();
  });
});

describe('a set in flight', () => {
  test('is everything up to the last frame, and nothing when there is nothing', () => {
    expect(buffer.take()).toBeUndefined();
    merge(sessions, aSession());
    merge(tasks, aTask('s'), aTask('s'));
    const set = taken();
    expect(set.throughSequence).toBe(2);
    expect(set.records.get(sessions.name)?.size).toBe(1);
    expect(set.records.get(tasks.name)?.size).toBe(2);
    buffer.settle(set);
    expect(buffer.take()).toBeUndefined();
    expect(buffer.lastSequence).toBe(2);
  });

  test('does not change when a later write has one of its keys', () => {
    const session = aSession({ status: 'processing', total_tasks: 9 });
    const first = merge(sessions, session);
    const set = taken();
    const later = merge(sessions, { ...session, status: 'completed', total_tasks: 1 });
    expect(entryOf(set, sessions, session.session_id)).toMatchObject({
      record: session,
      version: first,
      firstVersion: first,
    });
    expect(set.throughSequence).toBe(1);
    buffer.settle(set);
    expect(entryOf(taken(), sessions, session.session_id)).toMatchObject({
      record: { ...session, status: 'completed', total_tasks: 1 },
      version: later,
      firstVersion: later,
    });
  });

  test('stays visible until it is settled, beside what came later', () => {
    const [early, late] = [aSession(), aSession()];
    merge(sessions, early);
    const set = taken();
    merge(sessions, late);
    expect(buffer.waitingSize).toBe(1);
    expect(buffer.sizeOf(sessions.name)).toBe(2);
    expect(buffer.has(sessions, early.session_id)).toBe(true);
    expect(buffer.has(sessions, late.session_id)).toBe(true);
    buffer.settle(set);
    expect(buffer.has(sessions, early.session_id)).toBe(false);
    expect(buffer.has(sessions, late.session_id)).toBe(true);
    expect(buffer.sizeOf(sessions.name)).toBe(1);
  });

  test('is the only one, and the only one that can be settled', () => {
    merge(sessions, aSession());
    const set = taken();
    expect(() => buffer.take()).toThrow('Invariant broken');
    expect(() => buffer.settle({ ...set })).toThrow('Invariant broken');
    buffer.settle(set);
    expect(() => buffer.settle(set)).toThrow('Invariant broken');
  });
});

describe('a task that is sent with another session', () => {
  const task = aTask('first', { target_text: 'right' });
  const stray = { ...task, session_id: 'second', target_text: 'wrong' };

  test('while it waits: that write is refused with the reason, and the task does not change', () => {
    merge(tasks, task);
    expect(buffer.fixedFieldChangedBy(tasks, stray)).toBe('session_id');
    const version = merge(tasks, stray, aTask('second'));
    const set = taken();
    expect(entryOf(set, tasks, task.task_id)?.record).toEqual(task);
    expect(set.records.get(tasks.name)?.size).toBe(2);
    expect(set.refused).toEqual([
      {
        collection: tasks,
        record: stray,
        version,
        firstVersion: version,
        code: 'FIXED_FIELD_CHANGED',
        reason: expect.stringContaining('session_id'),
      },
    ]);
  });

  test('while it is in flight: that write is refused as well', () => {
    merge(tasks, task);
    const set = taken();
    merge(tasks, stray);
    expect(set.refused).toEqual([]);
    expect(buffer.waitingSize).toBe(0);
    buffer.settle(set);
    expect(taken().refused.map(({ record }) => record)).toEqual([stray]);
  });

  test('after it was stored: that is for storage to refuse', () => {
    merge(tasks, task);
    buffer.settle(taken());
    expect(buffer.fixedFieldChangedBy(tasks, stray)).toBeUndefined();
  });
});

describe('a record that has to wait for its parent', () => {
  test('is part of every set until it is stored, merged under what came later', () => {
    const { context, ...rest } = aTask('session', { target_text: 'early', context: 'kept' });
    const task = { ...rest, context };
    const first = merge(tasks, task);
    const set = taken();
    const last = merge(tasks, { ...rest, target_text: 'late' });
    holdAll(set);
    buffer.settle(set);
    expect(buffer.heldSize).toBe(1);

    const next = taken();
    expect(entryOf(next, tasks, task.task_id)).toMatchObject({
      record: { ...task, target_text: 'late' },
      version: last,
      firstVersion: first,
    });
    holdAll(next);
    buffer.settle(next);
    const third = taken();
    expect(entryOf(third, tasks, task.task_id)).toEqual(entryOf(next, tasks, task.task_id));
    buffer.settle(third);
    expect(buffer.heldSize).toBe(0);
    expect(buffer.take()).toBeUndefined();
  });

  test('keeps its first frame needed, however many come later', () => {
    expect(buffer.oldestHeldSequence).toBe(Number.POSITIVE_INFINITY);
    merge(sessions, aSession());
    const task = aTask('session');
    merge(tasks, task);
    merge(tasks, aTask('session'));
    const set = taken();
    holdAll(set);
    buffer.settle(set);
    expect(buffer.oldestHeldSequence).toBe(2);
    merge(tasks, task);
    const next = taken();
    holdAll(next);
    buffer.settle(next);
    expect(buffer.oldestHeldSequence).toBe(2);
  });

  test('keeps its fixed fields', () => {
    const task = aTask('first');
    merge(tasks, task);
    const set = taken();
    holdAll(set);
    buffer.settle(set);
    merge(tasks, { ...task, session_id: 'second' });
    expect(taken().refused).toHaveLength(1);
  });

  function holdAll(set: FlushSet): void {
    for (const pending of set.records.get(tasks.name)?.values() ?? []) buffer.hold(tasks, pending);
  }
});

/** The buffer in front of a real store and, beside it, a model that stores each write at once and alone. */
class BufferAndModel {
  readonly refused: { record: GivenRecord; version: number }[] = [];
  readonly expectedRefused: { record: GivenRecord; version: number }[] = [];
  readonly #model = new Map<string, Row>();
  readonly #store: SqliteStore;
  #inFlight: FlushSet | undefined;

  constructor(store: SqliteStore) {
    this.#store = store;
  }

  accept(collection: Collection, records: readonly GivenRecord[]): void {
    const version = merge(collection, ...records);
    for (const record of records) {
      const stored = writeNaively(this.#model, collection, record, version);
      if (!stored) this.expectedRefused.push({ record, version });
    }
  }

  take(): void {
    this.#inFlight ??= buffer.take();
  }

  /** Stores what is in flight, but for the tasks that are held. */
  storeAll(isHeld: (key: string) => boolean = () => false): void {
    const set = this.#inFlight;
    if (set === undefined) return;
    for (const collection of [sessions, tasks]) {
      const entries = [...(set.records.get(collection.name) ?? [])];
      const held = entries.filter(([key]) => collection === tasks && isHeld(key));
      for (const [, pending] of held) buffer.hold(collection, pending);
      const stored = entries.filter((entry) => !held.includes(entry)).map(([, pending]) => pending);
      this.#store.write(collection, JSON.stringify(stored));
    }
    this.refused.push(...set.refused.map(({ record, version }) => ({ record, version })));
    buffer.settle(set);
    this.#inFlight = undefined;
  }

  /** The session that storage or the buffer has for a task. */
  sessionOf(taskId: string): unknown {
    return this.#model.get(`${tasks.name}/${taskId}`)?.fields.session_id;
  }

  /** Compares every row. */
  expectSame(): void {
    for (const { collection, key, fields } of this.#model.values()) {
      const stored = this.#store.query(collection, {
        where: [{ field: collection.key, is: 'equal', value: key }],
        orderBy: { field: collection.key, direction: 'asc' },
        limit: 1,
      });
      expect(JSON.parse(stored)).toEqual([fields]);
    }
    expect(this.refused).toEqual(this.expectedRefused);
  }
}

describe('whatever is accepted, taken, held and stored, in whatever order', () => {
  let store: SqliteStore;
  let run = 0;

  const folder = temporaryFolder();

  beforeAll(() => {
    store = new SqliteStore(join(folder.path, 'test.sqlite'), 'writer');
  });

  afterAll(() => {
    store.close();
    folder[Symbol.dispose]();
  });

  const counter = fc.option(fc.integer({ min: 0, max: 5 }));
  const text = fc.option(fc.constantFrom('', 'a', 'b', '🐉'));
  const status = fc.constantFrom('pending' as const, 'completed' as const);
  const session = fc.record({ id: fc.constantFrom('s1', 's2', 's3'), status }).chain(({ id, ...fields }) =>
    fc
      .record(
        {
          total_tasks: counter,
          processing_tasks: counter,
          metadata: fc.option(fc.constantFrom<Record<string, unknown>>({}, { a: [1, null] })),
          unknown_field: text,
        },
        { requiredKeys: [] },
      )
      .map((optional) => ({ id, given: { ...fields, ...optional } })),
  );
  const task = fc
    .record({ id: fc.constantFrom('t1', 't2', 't3'), session: fc.constantFrom('s1', 's1', 's2'), status })
    .chain(({ id, session: of, ...fields }) =>
      fc
        .record(
          {
            target_text: text,
            confidence: fc.option(fc.constantFrom(0, 0.25, 1)),
            retry_count: counter,
          },
          { requiredKeys: [] },
        )
        .map((optional) => ({ id, of, given: { ...fields, ...optional } })),
    );
  const batch = { minLength: 1, maxLength: 4 };
  const step = fc.oneof(
    fc.record({ sessions: fc.array(session, batch) }),
    fc.record({ tasks: fc.array(task, batch) }),
    fc.constant('take' as const),
    fc.record({ held: fc.subarray(['t1', 't2', 't3']) }),
  );

  test('storage ends up as if each write had been made at once and alone, and the same writes are refused', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        run += 1;
        buffer = new WriteBuffer();
        sequence = 0;
        const both = new BufferAndModel(store);
        const unique = (id: string): string => `${id}-${run}`;
        // Every session is there from the beginning: what is held is up to the test.
        both.accept(
          sessions,
          ['s1', 's2', 's3'].map((id) => aSession({ session_id: unique(id) })),
        );
        for (const next of steps) {
          if (next === 'take') both.take();
          else if ('held' in next) both.storeAll((key) => next.held.map(unique).includes(key));
          else if ('sessions' in next) {
            both.accept(
              sessions,
              next.sessions.map(({ id, given }) => ({ ...aSession({ session_id: unique(id) }), ...given })),
            );
          } else {
            both.accept(
              tasks,
              next.tasks.map(({ id, of, given }) => {
                // A write that names another session is the buffer's to refuse only while it has the task.
                const known = buffer.has(tasks, unique(id)) ? undefined : both.sessionOf(unique(id));
                return { ...aTask(String(known ?? unique(of)), { task_id: unique(id) }), ...given };
              }),
            );
          }
        }
        both.storeAll();
        both.take();
        both.storeAll();
        both.expectSame();
      }),
      { numRuns: 200 },
    );
  });
});

interface Row {
  collection: Collection;
  key: string;
  fields: Record<string, unknown>;
}

/** The rules of `StorageBackend.write`, one record at a time; false when the record is refused. */
function writeNaively(
  model: Map<string, Row>,
  collection: Collection,
  record: GivenRecord,
  version: number,
): boolean {
  const key = keyOf(collection, record);
  const name = `${collection.name}/${key}`;
  const before = model.get(name)?.fields;
  const fields: Record<string, unknown> = {};
  for (const { name: field, merge: rule, initial } of collection.fields) {
    const [old, given] = [before?.[field], record[field]];
    if (rule === 'fixed' && before !== undefined && old !== given) return false;
    if (given === undefined) fields[field] = before === undefined ? initial : old;
    else if (rule === 'greatest') fields[field] = Math.max(Number(old ?? 0), Number(given ?? 0));
    else fields[field] = given ?? initial;
  }
  const atMs = Math.floor(version / 1000);
  model.set(name, {
    collection,
    key,
    fields: { ...fields, created_at: before?.created_at ?? atMs, updated_at: atMs, version },
  });
  return true;
}
