import { beforeEach, expect, test } from 'bun:test';
import { decodeDeletions, encodeDeletions, type PendingDeletion } from '../../src/engine/deletion.ts';
import { WriteBuffer } from '../../src/engine/write-buffer.ts';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import type { Collection, GivenRecord } from '../../src/storage/collection.ts';
import { aSession, aTask } from '../support/records.ts';

let buffer: WriteBuffer;
let sequence: number;

beforeEach(() => {
  buffer = new WriteBuffer();
  sequence = 0;
});

function nextPosition() {
  sequence += 1;
  return { sequence, version: sequence * 1000 };
}

function merge(collection: Collection, ...records: GivenRecord[]): void {
  buffer.merge(collection, records, nextPosition(), 100 * records.length);
}

/** Deletes sessions as the next frame: all, or unless something of them is newer than a version. */
function remove(keys: readonly string[], unlessNewerThan?: number): PendingDeletion[] {
  const requests = keys.map((key) => ({
    key,
    keep: false,
    ...(unlessNewerThan === undefined ? {} : { unlessNewerThan }),
  }));
  const position = nextPosition();
  const deletions = decodeDeletions(sessions, [tasks], position, encodeDeletions(requests, 0)) ?? [];
  return buffer.delete(deletions, position);
}

const tasksOf = (sessionId: string, count: number) =>
  Array.from({ length: count }, (_, number) => aTask(sessionId, { task_id: `${sessionId}/${number}` }));

test('a deletion drops a session with its tasks, and nothing else', () => {
  merge(sessions, aSession({ session_id: 'a' }), aSession({ session_id: 'b' }));
  merge(tasks, ...tasksOf('a', 3), ...tasksOf('b', 2));
  const [deletion] = remove(['a']);
  expect([buffer.sizeOf(sessions.name), buffer.sizeOf(tasks.name)]).toEqual([1, 2]);
  expect([...(deletion?.dropped.get(tasks) ?? [])]).toEqual(['a/0', 'a/1', 'a/2']);
  expect(buffer.isDeleted(sessions, 'a')).toBe(true);
  expect(buffer.bytes).toBe(300);
});

test('what is in flight stays there, and counts as dropped', () => {
  merge(sessions, aSession({ session_id: 'a' }));
  merge(tasks, ...tasksOf('a', 2));
  const set = buffer.take();
  merge(tasks, ...tasksOf('a', 3));
  const [deletion] = remove(['a']);
  expect(set?.records.get(tasks.name)?.size).toBe(2);
  expect(deletion?.dropped.get(tasks)?.size).toBe(3);
  expect(buffer.waitingSize).toBe(1);
});

test('a held task is dropped with its session', () => {
  merge(tasks, ...tasksOf('a', 1), ...tasksOf('b', 1));
  const set = buffer.take();
  for (const pending of set?.records.get(tasks.name)?.values() ?? []) buffer.hold(tasks, pending);
  remove(['a']);
  expect(buffer.heldSize).toBe(1);
});

test('a conditional deletion does not hold while something newer waits', () => {
  merge(sessions, aSession({ session_id: 'a' }), aSession({ session_id: 'b' }));
  merge(tasks, ...tasksOf('a', 1));
  expect(remove(['a', 'b'], 1000).map(({ key }) => key)).toEqual(['b']);
  expect([buffer.sizeOf(sessions.name), buffer.sizeOf(tasks.name)]).toEqual([1, 1]);
});

test('a session that was deleted and sent again is deleted again with its new tasks only', () => {
  merge(tasks, ...tasksOf('a', 5));
  remove(['a']);
  merge(tasks, ...tasksOf('a', 2));
  const [deletion] = remove(['a']);
  expect(buffer.sizeOf(tasks.name)).toBe(0);
  expect(deletion?.dropped.get(tasks)?.size).toBe(2);
});
