import { describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import fc from 'fast-check';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import {
  type Collection,
  changedFixedField,
  collectionOf,
  type GivenRecord,
  keyOf,
  mergeRecords,
} from '../../src/storage/collection.ts';

/** Fields of each rule, on a small collection, so that a case is easy to read. */
const collection = collectionOf(
  { name: 'things', key: 'id', batchField: 'things' },
  [
    { name: 'id', kind: 'Text', merge: 'fixed', required: true, initial: null },
    { name: 'owner', kind: 'Text', merge: 'fixed', required: true, initial: null },
    { name: 'note', kind: 'Text', merge: 'newest', required: false, initial: null },
    { name: 'done', kind: 'Whole', merge: 'greatest', required: false, initial: 0 },
  ],
  Type.Object({}),
);

const base = { id: 'a', owner: 'o' };
const merge = (older: object, newer: object): GivenRecord =>
  mergeRecords(collection, { ...base, ...older }, { ...base, ...newer });

describe('a field with the rule newest', () => {
  test.each([
    ['takes the later value', { note: 'old' }, { note: 'new' }, 'new'],
    ['keeps the earlier value when the later write leaves it out', { note: 'old' }, {}, 'old'],
    ['is cleared by null', { note: 'old' }, { note: null }, null],
    ['takes a value after it was cleared', { note: null }, { note: 'new' }, 'new'],
    ['stays cleared when the later write leaves it out', { note: null }, {}, null],
    ['takes a value that an earlier write left out', {}, { note: 'new' }, 'new'],
    ['takes an empty text as a value', { note: 'old' }, { note: '' }, ''],
  ])('%s', (_, older, newer, expected) => {
    expect(merge(older, newer).note).toBe(expected);
  });

  test('is not given when neither write gives it', () => {
    expect(merge({}, {})).not.toHaveProperty('note');
  });
});

describe('a field with the rule greatest', () => {
  test.each([
    ['takes the larger value when that comes later', { done: 1 }, { done: 5 }, 5],
    ['keeps the larger value when that came earlier', { done: 5 }, { done: 1 }, 5],
    ['keeps its value when the later write leaves it out', { done: 5 }, {}, 5],
    ['is not cleared by null', { done: 5 }, { done: null }, 5],
    ['takes a value after null', { done: null }, { done: 3 }, 3],
    ['takes a value that an earlier write left out', {}, { done: 0 }, 0],
    ['keeps zero', { done: 0 }, { done: null }, 0],
  ])('%s', (_, older, newer, expected) => {
    expect(merge(older, newer).done).toBe(expected);
  });
});

describe('a fixed field', () => {
  test('keeps its first value', () => {
    expect(merge({ owner: 'first' }, { owner: 'second' }).owner).toBe('first');
  });

  test('is reported when two writes differ in it, and only then', () => {
    const differs = (older: object, newer: object) =>
      changedFixedField(collection, { ...base, ...older }, { ...base, ...newer });
    expect(differs({}, {})).toBeUndefined();
    expect(differs({ note: 'a', done: 1 }, { note: 'b', done: 2 })).toBeUndefined();
    expect(differs({ owner: 'first' }, { owner: 'second' })).toBe('owner');
    expect(differs({ owner: 'A' }, { owner: 'a' })).toBe('owner');
  });

  test('of a task is its session; a session has none', () => {
    const rules = ({ fields }: Collection) =>
      fields.filter((field) => field.merge === 'fixed').map((field) => field.name);
    expect(rules(tasks)).toEqual(['task_id', 'session_id']);
    expect(rules(sessions)).toEqual(['session_id']);
  });
});

test('the counters of a session never go down, and its other fields take the newest value', () => {
  const greatest = sessions.fields.filter((field) => field.merge === 'greatest').map((field) => field.name);
  expect(greatest).toEqual(['total_tasks', 'completed_tasks', 'failed_tasks']);
  expect(tasks.fields.filter((field) => field.merge === 'greatest')).toEqual([]);
});

test('a merge changes neither of the two records', () => {
  const older = Object.freeze({ ...base, note: 'old', done: 5 });
  const newer = Object.freeze({ ...base, note: 'new', done: 1 });
  expect(mergeRecords(collection, older, newer)).toEqual({ ...base, note: 'new', done: 5 });
  expect(older.note).toBe('old');
});

test('unknown fields change no known one, whatever they are called', () => {
  const older = { ...base, note: 'old', done: 5 };
  const hostile = JSON.parse(
    '{"id":"a","owner":"o","__proto__":{"note":"polluted","polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1,"merge":"newest","x":2}',
  ) as GivenRecord;
  for (const merged of [
    mergeRecords(collection, older, hostile),
    mergeRecords(collection, hostile, older),
    mergeRecords(collection, hostile, hostile),
  ]) {
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(merged.polluted).toBeUndefined();
    expect(keyOf(collection, merged)).toBe('a');
  }
  expect(mergeRecords(collection, older, hostile)).toMatchObject(older);
  expect(mergeRecords(collection, hostile, older)).toMatchObject(older);
  expect(mergeRecords(collection, hostile, hostile).note).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

describe('whatever is written', () => {
  const write = fc.record(
    {
      id: fc.constant('a'),
      owner: fc.constant('o'),
      note: fc.option(fc.string()),
      done: fc.option(fc.nat()),
    },
    { requiredKeys: ['id', 'owner'] },
  );
  const writes = fc.array(write, { minLength: 1, maxLength: 8 });
  const fold = (records: readonly GivenRecord[]): GivenRecord =>
    records.reduce((older, newer) => mergeRecords(collection, older, newer));
  /** A counter that was only ever null was never given. */
  const given = (record: GivenRecord) => ({ ...record, done: record.done ?? undefined });

  test('a row of merges keeps the last value that was given of each field, and the largest of each counter', () => {
    fc.assert(
      fc.property(writes, (records) => {
        const merged = fold(records);
        const notes = records.filter((record) => 'note' in record).map((record) => record.note);
        const counts = records.flatMap(({ done }) => (typeof done === 'number' ? [done] : []));
        expect(merged.note).toEqual(notes.at(-1));
        expect(merged.done ?? undefined).toEqual(counts.length === 0 ? undefined : Math.max(...counts));
      }),
    );
  });

  test('it makes no difference which writes are merged first, as long as their order stays', () => {
    fc.assert(
      fc.property(writes, writes, (before, behind) => {
        const apart = mergeRecords(collection, fold(before), fold(behind));
        expect(given(apart)).toEqual(given(fold([...before, ...behind])));
      }),
    );
  });

  test('merging the same write again changes nothing', () => {
    fc.assert(
      fc.property(write, write, (older, newer) => {
        const merged = mergeRecords(collection, older, newer);
        expect(mergeRecords(collection, merged, newer)).toEqual(merged);
      }),
    );
  });
});
