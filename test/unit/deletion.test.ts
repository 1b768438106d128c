import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Backlog } from '../../src/engine/backlog.ts';
import { deletionType, type PendingDeletion } from '../../src/engine/deletion.ts';
import { Flusher } from '../../src/engine/flusher.ts';
import { Intake, type UnknownParentPolicy } from '../../src/engine/intake.ts';
import { Quarantine } from '../../src/engine/quarantine.ts';
import { WriteBuffer } from '../../src/engine/write-buffer.ts';
import { Journal } from '../../src/journal/journal.ts';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import { Removal } from '../../src/modules/translation/removal.ts';
import { Totals } from '../../src/modules/translation/totals.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import type { Collection, GivenRecord } from '../../src/storage/collection.ts';
import { StorageError } from '../../src/storage/contract.ts';
import { StorageRegistry } from '../../src/storage/registry.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { ControlledBackend, type StorageOperation } from '../support/controlled-backend.ts';
import { FaultyFiles } from '../support/faulty-files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession, aTask } from '../support/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const storageFolder = temporaryFolder();
const sqlite = new SqliteBackend(join(storageFolder.path, 'test.sqlite'));
const outage = new StorageError('retry', 'OUTAGE', 'injected: outage');
const hourMs = 3_600_000;

let folder: ReturnType<typeof temporaryFolder>;
let clock: ManualClock;
let files: FaultyFiles;
let backend: ControlledBackend;
let journal: Journal;
let quarantine: Quarantine;
let buffer: WriteBuffer;
let flusher: Flusher;
let intake: Intake;
let removal: Removal;

beforeAll(() => sqlite.open());

afterAll(async () => {
  await sqlite.close();
  storageFolder[Symbol.dispose]();
});

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new ManualClock();
  await start();
});

afterEach(async () => {
  await stop();
  folder[Symbol.dispose]();
});

/** Builds the engine on the journal that lies in the folder, as a start of the service does. */
async function start(unknownParent: UnknownParentPolicy = 'reject'): Promise<{ unreadable: number }> {
  files = new FaultyFiles();
  backend = new ControlledBackend(sqlite, []);
  const registry = new StorageRegistry();
  registry.register('only', backend);
  for (const collection of [sessions, tasks]) registry.route(collection, 'only');
  journal = await openJournal('journal');
  buffer = new WriteBuffer(journal.checkpoint);
  const backlog = new Backlog({ journal, buffer, registry, bytesMax: 10_000_000 });
  await backlog.refill();
  quarantine = await Quarantine.open(
    { folder: join(folder.path, 'quarantine'), recordsMax: 100 },
    { files, clock, logger: silentLogger, registry },
  );
  flusher = new Flusher(
    {
      maxBufferSize: 100_000,
      flushIntervalMs: hourMs,
      journalHeadroomBytes: 0,
      ...(unknownParent === 'hold' ? { holdMsMax: hourMs } : {}),
    },
    { backlog, buffer, journal, registry, quarantine, clock, logger: silentLogger, random: () => 0 },
  );
  intake = new Intake({ journal, backlog, buffer, flusher, registry, clock, unknownParent });
  const retention = { completedDays: 90, failedDays: 30, deletedDays: 30, mode: 'hard' as const };
  const totals = new Totals(clock);
  removal = new Removal({ intake, flusher, registry, clock, logger: silentLogger, totals, retention });
  flusher.start();
  return { unreadable: backlog.replayed.unreadableFrames };
}

async function openJournal(name: string, visit?: Parameters<typeof Journal.open>[2]): Promise<Journal> {
  const options = {
    sync: 'always',
    syncIntervalMs: 100,
    segmentBytesMax: 1_000_000,
    bytesMax: 100_000_000,
  } as const;
  const parts = { files, clock, logger: silentLogger };
  return (await Journal.open({ folder: join(folder.path, name), ...options }, parts, visit)).journal;
}

/** Ends without another flush, as a crash does: what is not stored stays journaled. */
async function stop(): Promise<void> {
  backend.fault = () => outage;
  for (const operation of ['read', 'markDeleted', 'existing', 'remove'] as const)
    backend.fail(operation, outage);
  backend.openAll();
  files.openAll();
  const stopped = flusher.stop(1);
  clock.advance(1);
  await stopped;
  await journal.close();
  await quarantine.close();
}

const send = (collection: Collection, ...records: GivenRecord[]) =>
  intake.accept(collection, {
    records,
    bytes: Buffer.from(JSON.stringify({ [collection.batchField]: records })),
  });
const flush = () => flusher.flush(hourMs);
const deleted = (key: string, unlessNewerThan?: number): Promise<readonly PendingDeletion[]> =>
  intake.delete(sessions, [
    { key, keep: false, ...(unlessNewerThan === undefined ? {} : { unlessNewerThan }) },
  ]);
const someTasks = (sessionId: string, count: number) => Array.from({ length: count }, () => aTask(sessionId));
const versionNow = () => clock.nowMs() * 1000;

const storedTasks = (sessionId: string) =>
  sqlite.count(tasks, [{ field: 'session_id', is: 'equal', value: sessionId }]);
const storedSession = (sessionId: string) => sqlite.read(sessions, sessionId);
const removedBy = (deletions: readonly PendingDeletion[]) =>
  deletions.map(({ removed }) => ({ sessions: removed.get(sessions.name), tasks: removed.get(tasks.name) }));

const refusalOf = (accepting: Promise<unknown>) =>
  accepting.then(
    () => 'accepted',
    (error: { code?: string }) => error.code,
  );

/** A stored session with so many stored tasks. */
async function aStoredSession(taskCount: number): Promise<string> {
  const { session_id } = aSession();
  await send(sessions, aSession({ session_id }));
  if (taskCount > 0) await send(tasks, ...someTasks(session_id, taskCount));
  await flush();
  return session_id;
}

describe('the answer counts each task once', () => {
  const faults: [StorageOperation, nth: number][] = [
    ['read', 1],
    ['markDeleted', 1],
    ['existing', 2],
    ['remove', 1],
    ['remove', 2],
    ['remove', 3],
    ['remove', 4],
  ];
  test.each(faults)(
    'when storage fails in the middle of the deletion: %s, call %d',
    async (operation, nth) => {
      const id = await aStoredSession(0);
      const stored = someTasks(id, 1200);
      await send(tasks, ...stored);
      await flush();
      await send(tasks, ...stored.slice(0, 20), ...someTasks(id, 30));
      backend.fail(operation, outage, nth);
      const removing = removal.deleteSession(id);
      await waitUntil('the deletion is tried again', () => flusher.state.mode === 'retrying');
      clock.advance(50);
      expect(await removing).toBe(1230);
      expect(backend.failuresLeft).toBe(0);
      expect(await storedTasks(id)).toBe(0);
      expect(await storedSession(id)).toBeUndefined();
    },
  );

  test('when a flush is under way, which stores what it has before it goes', async () => {
    const id = await aStoredSession(3);
    await send(tasks, ...someTasks(id, 4));
    const gate = backend.hold();
    const flushing = flush();
    await gate.reached;
    await send(tasks, ...someTasks(id, 5));
    const removing = removal.deleteSession(id);
    await waitUntil('the deletion is accepted', () => buffer.isDeleted(sessions, id));
    expect(buffer.sizeOf(tasks.name)).toBe(4);
    gate.open();
    await flushing;
    expect(await removing).toBe(12);
    expect(await storedTasks(id)).toBe(0);
  });

  test('when a session is deleted, sent again and deleted again before storage has done any of it', async () => {
    const id = await aStoredSession(3);
    await send(sessions, aSession());
    const gate = backend.hold();
    const flushing = flush();
    await gate.reached;
    const first = removal.deleteSession(id);
    await waitUntil('the deletion is accepted', () => buffer.isDeleted(sessions, id));
    await send(sessions, aSession({ session_id: id }));
    await send(tasks, ...someTasks(id, 2));
    const second = removal.deleteSession(id);
    await waitUntil('the second deletion is accepted', () => buffer.isDeleted(sessions, id));
    gate.open();
    await flushing;
    expect(await Promise.all([first, second])).toEqual([3, 2]);
    expect(await storedTasks(id)).toBe(0);
  });

  test('when two ask at the same time: one deletes, the other finds nothing', async () => {
    const id = await aStoredSession(3);
    await send(tasks, ...someTasks(id, 2));
    const answers = await Promise.all([
      removal.deleteSession(id),
      refusalOf(removal.deleteSession(id)),
      refusalOf(removal.deleteSession(id)),
    ]);
    expect(answers).toEqual([5, 'NOT_FOUND', 'NOT_FOUND']);
  });
});

describe('after a deletion was accepted', () => {
  test('a task of the session is refused, although the session was known a moment ago', async () => {
    const id = await aStoredSession(1);
    await send(tasks, aTask(id));
    await deleted(id);
    expect(await refusalOf(send(tasks, aTask(id)))).toBe('SESSION_NOT_FOUND');
    await flush();
    expect(await refusalOf(send(tasks, aTask(id)))).toBe('SESSION_NOT_FOUND');
  });

  test('a task is refused that asked storage about its session before, and hears of it afterwards', async () => {
    const id = await aStoredSession(0);
    await stop();
    await start();
    const lookup = backend.hold('existing');
    const sending = refusalOf(send(tasks, aTask(id)));
    await lookup.reached;
    expect(await removal.deleteSession(id)).toBe(0);
    lookup.open();
    expect(await sending).toBe('SESSION_NOT_FOUND');
    expect(await refusalOf(send(tasks, aTask(id)))).toBe('SESSION_NOT_FOUND');
    expect(buffer.size).toBe(0);
  });

  test('a task is refused that came while the deletion was on its way to the disk', async () => {
    const id = await aStoredSession(1);
    await send(tasks, aTask(id));
    const sync = files.hold('sync');
    const removing = removal.deleteSession(id);
    await sync.reached;
    const sending = refusalOf(send(tasks, aTask(id)));
    sync.open();
    expect(await sending).toBe('SESSION_NOT_FOUND');
    expect(await removing).toBe(2);
  });

  test('what is still being written of the session is not known any more, and binds nobody', async () => {
    const [old, other] = [aSession(), aSession()];
    const task = aTask(old.session_id);
    await send(sessions, old);
    await send(tasks, task);
    const gate = backend.hold();
    const flushing = flush();
    await gate.reached;
    const removing = removal.deleteSession(old.session_id);
    await waitUntil('the deletion is accepted', () => buffer.isDeleted(sessions, old.session_id));
    expect(await refusalOf(send(tasks, aTask(old.session_id)))).toBe('SESSION_NOT_FOUND');
    await send(sessions, other);
    await send(tasks, { ...task, session_id: other.session_id });
    gate.open();
    await flushing;
    expect(await removing).toBe(1);
    await flush();
    expect(await sqlite.read(tasks, task.task_id)).toMatchObject({ session_id: other.session_id });
  });

  test('a session whose id only looks the same is not concerned', async () => {
    const alike = ['a', 'a ', 'A', 'á'];
    await send(sessions, ...alike.map((session_id) => aSession({ session_id })));
    await flush();
    await deleted('a');
    for (const id of alike.slice(1)) {
      expect(await intake.exists(sessions, id)).toBe(true);
      await send(tasks, aTask(id));
    }
    await flush();
    expect(await Promise.all(alike.map(storedTasks))).toEqual([0, 1, 1, 1]);
  });

  test('and one of a deletion that the disk refused is accepted no more, like everything', async () => {
    const id = await aStoredSession(1);
    files.fail('sync');
    expect(await refusalOf(removal.deleteSession(id))).toBe('JOURNAL_FAILED');
    expect(await refusalOf(send(tasks, aTask(id)))).toBe('JOURNAL_FAILED');
  });
});

describe('a deletion under a condition', () => {
  test('takes what is as old as the condition says, wherever it waits', async () => {
    const { session_id: id } = aSession();
    await send(sessions, aSession({ session_id: id }));
    await send(tasks, aTask(id));
    const deletions = await deleted(id, versionNow() + 999);
    await flush();
    expect(removedBy(deletions)).toEqual([{ sessions: 1, tasks: 1 }]);
    expect(await storedSession(id)).toBeUndefined();
  });

  test('does nothing when something newer is buffered, be it only a task', async () => {
    const id = await aStoredSession(2);
    const lastWrite = versionNow() + 999;
    clock.advance(1);
    await send(tasks, aTask(id));
    expect(await deleted(id, lastWrite)).toEqual([]);
    await flush();
    expect(await storedTasks(id)).toBe(3);
  });

  test('does nothing when something newer is being written', async () => {
    const id = await aStoredSession(2);
    const lastWrite = versionNow() + 999;
    clock.advance(1);
    await send(tasks, aTask(id));
    const gate = backend.hold();
    const flushing = flush();
    await gate.reached;
    expect(await deleted(id, lastWrite)).toEqual([]);
    gate.open();
    await flushing;
    // Its frame leaves nothing to store, and nothing to wait for.
    await flush();
    expect(buffer.oldestVersion).toBeUndefined();
    expect(journal.checkpoint).toBe(buffer.lastSequence);
    expect(await storedTasks(id)).toBe(3);
  });

  test('does nothing when something newer is held for its session', async () => {
    await stop();
    await start('hold');
    const { session_id: id } = aSession();
    await send(sessions, aSession({ session_id: id }));
    const lastWrite = versionNow() + 999;
    clock.advance(1);
    await send(tasks, aTask('never sent'));
    await flush();
    expect(buffer.heldSize).toBe(1);
    expect(await deleted('never sent', lastWrite)).toEqual([]);
    expect(buffer.heldSize).toBe(1);
  });

  test('does nothing when storage has something newer of the session, which another instance wrote', async () => {
    const id = await aStoredSession(2);
    const lastWrite = versionNow() + 999;
    const newer = {
      record: aSession({ session_id: id }),
      version: lastWrite + 1,
      firstVersion: lastWrite + 1,
    };
    await sqlite.write(sessions, [newer]);
    const deletions = await deleted(id, lastWrite);
    await flush();
    expect(removedBy(deletions)).toEqual([{ sessions: undefined, tasks: undefined }]);
    expect(await storedTasks(id)).toBe(2);
    await send(tasks, aTask(id));
    await flush();
    expect(await storedTasks(id)).toBe(3);
  });
});

describe('tasks that are held for their session go with it', () => {
  beforeEach(async () => {
    await stop();
    await start('hold');
  });

  test('and count', async () => {
    const { session_id: id } = aSession();
    await send(tasks, ...someTasks(id, 3));
    await flush();
    expect(buffer.heldSize).toBe(3);
    await send(sessions, aSession({ session_id: id }));
    expect(await removal.deleteSession(id)).toBe(3);
    expect(buffer.heldSize).toBe(0);
    await send(sessions, aSession({ session_id: id }));
    await flush();
    expect(await storedTasks(id)).toBe(0);
  });

  test('also when a flush is just finding out that they have to wait', async () => {
    const { session_id: id } = aSession();
    await send(tasks, ...someTasks(id, 3));
    const lookup = backend.hold('existing');
    const flushing = flush();
    await lookup.reached;
    await send(sessions, aSession({ session_id: id }));
    const removing = removal.deleteSession(id);
    await waitUntil('the deletion is accepted', () => buffer.isDeleted(sessions, id));
    lookup.open();
    await flushing;
    expect(await removing).toBe(3);
    expect(buffer.size).toBe(0);
  });
});

describe('a deletion is done after a crash', () => {
  test.each(['markDeleted', 'remove'] as const)('before or behind its step %s', async (operation) => {
    const id = await aStoredSession(600);
    await send(tasks, ...someTasks(id, 2));
    const gate = backend.hold(operation);
    const removing = refusalOf(removal.deleteSession(id));
    await gate.reached;
    await stop();
    clock.advance(hourMs);
    expect(await removing).not.toBe('accepted');
    expect(await storedTasks(id)).toBeGreaterThan(0);

    await start();
    await flush();
    expect(await storedTasks(id)).toBe(0);
    expect(await storedSession(id)).toBeUndefined();
    await send(sessions, aSession({ session_id: id, filename: 'again.xlsx' }));
    await flush();
    expect(await storedSession(id)).toMatchObject({ filename: 'again.xlsx' });
  });

  test('and what was sent of the session behind it is a new one', async () => {
    const id = await aStoredSession(3);
    await send(sessions, aSession({ session_id: id, total_tasks: 9 }));
    await deleted(id);
    await send(sessions, aSession({ session_id: id, total_tasks: 1 }));
    await send(tasks, aTask(id));
    await stop();
    await start();
    await flush();
    expect(await storedSession(id)).toMatchObject({ total_tasks: 1 });
    expect(await storedTasks(id)).toBe(1);
  });
});

test.each([
  'not JSON',
  'null',
  '{}',
  '{"deletions": []}',
  '{"deleted_at_ms": 1, "deletions": [null]}',
  '{"deleted_at_ms": 1, "deletions": [{"keep": true}]}',
  '{"deleted_at_ms": 1, "deletions": [{"key": "a", "keep": false, "unlessNewerThan": "b"}]}',
])(
  'a frame of deletions that this version cannot read deletes nothing, and stops no start: %s',
  async (payload) => {
    const id = await aStoredSession(1);
    await journal.append(deletionType(sessions), Buffer.from(payload));
    await stop();
    expect(await start()).toEqual({ unreadable: 1 });
    await flush();
    expect(await storedTasks(id)).toBe(1);
  },
);
