import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Backlog } from '../../src/engine/backlog.ts';
import { decodeDeletions, deletionType, encodeDeletions } from '../../src/engine/deletion.ts';
import { Flusher, type FlusherOptions } from '../../src/engine/flusher.ts';
import { Quarantine } from '../../src/engine/quarantine.ts';
import { WriteBuffer } from '../../src/engine/write-buffer.ts';
import { Journal } from '../../src/journal/journal.ts';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import { ServiceError } from '../../src/platform/errors.ts';
import { formatInstant } from '../../src/platform/instant.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { type Collection, type GivenRecord, keyOf } from '../../src/storage/collection.ts';
import { type Remedy, StorageError } from '../../src/storage/contract.ts';
import { StorageRegistry } from '../../src/storage/registry.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { ControlledBackend } from '../support/controlled-backend.ts';
import { FaultyFiles } from '../support/faulty-files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession, aTask } from '../support/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const flushIntervalMs = 60_000;
const recordsMax = 100;
const storageFolder = temporaryFolder();
const sqlite = new SqliteBackend(join(storageFolder.path, 'test.sqlite'));

let folder: ReturnType<typeof temporaryFolder>;
let files: FaultyFiles;
let clock: ManualClock;
let backend: ControlledBackend;
let registry: StorageRegistry;
let journal: Journal;
let quarantine: Quarantine;
let backlog: Backlog;
let buffer: WriteBuffer;
let flusher: Flusher;
let random: number;

beforeAll(() => sqlite.open());

afterAll(async () => {
  await sqlite.close();
  storageFolder[Symbol.dispose]();
});

beforeEach(async () => {
  folder = temporaryFolder();
  clock = new ManualClock();
  random = 0;
  await start();
});

afterEach(async () => {
  backend.openAll();
  const stopped = flusher.stop(1);
  clock.advance(1);
  await stopped;
  await journal.close();
  await quarantine.close();
  folder[Symbol.dispose]();
});

/** Builds the engine on the journal that lies in the folder, as a start of the service does. */
async function start(
  options: Partial<FlusherOptions> = {},
  bytesMax = 10_000_000,
): Promise<{ replayed: number }> {
  files = new FaultyFiles();
  backend = new ControlledBackend(sqlite, files.calls);
  registry = new StorageRegistry();
  registry.register('only', backend);
  for (const collection of [sessions, tasks]) registry.route(collection, 'only');
  journal = await openJournal('journal');
  buffer = new WriteBuffer(journal.checkpoint);
  backlog = new Backlog({ journal, buffer, registry, bytesMax });
  await backlog.refill();
  quarantine = await Quarantine.open(
    { folder: join(folder.path, 'quarantine'), recordsMax },
    { files, clock, logger: silentLogger, registry },
  );
  flusher = new Flusher(
    { maxBufferSize: 1000, flushIntervalMs, journalHeadroomBytes: 0, ...options },
    { backlog, buffer, journal, registry, quarantine, clock, logger: silentLogger, random: () => random },
  );
  flusher.start();
  return { replayed: backlog.replayed.records };
}

async function openJournal(name: string, visit?: Parameters<typeof Journal.open>[2]): Promise<Journal> {
  const opened = await Journal.open(
    {
      folder: join(folder.path, name),
      sync: 'always',
      syncIntervalMs: 100,
      segmentBytesMax: 1_000_000,
      bytesMax: 100_000_000,
    },
    { files, clock, logger: silentLogger },
    visit,
  );
  return opened.journal;
}

/** What a crash leaves: nothing is drained, nothing more is written. */
async function crash(): Promise<void> {
  backend.fault = () => outage;
  backend.openAll();
  const stopped = flusher.stop(1);
  clock.advance(1);
  await stopped;
  await journal.close();
  await quarantine.close();
}

async function accept(collection: Collection, ...records: GivenRecord[]): Promise<void> {
  const body = Buffer.from(JSON.stringify({ [collection.batchField]: records }));
  backlog.addRecords(collection, records, await journal.append(collection.name, body), body.length);
  flusher.noticeAccepted();
}

const someSessions = (count: number) => Array.from({ length: count }, () => aSession());
const someTasks = (sessionId: string, count: number) => Array.from({ length: count }, () => aTask(sessionId));

const isStored = async (collection: Collection, record: GivenRecord): Promise<boolean> =>
  (await sqlite.read(collection, keyOf(collection, record))) !== undefined;

async function storedOf(collection: Collection, records: readonly GivenRecord[]): Promise<number> {
  const stored = await sqlite.existing(
    collection,
    records.map((record) => keyOf(collection, record)),
  );
  return stored.size;
}

const isIdle = () => flusher.state.mode === 'idle';
const idle = () => waitUntil('the flusher is idle', isIdle);
const flush = () => flusher.flush(10_000);

const failure = (remedy: Remedy) => new StorageError(remedy, remedy.toUpperCase(), `injected: ${remedy}`);
const outage = failure('retry');

/** Waits until the flusher waits to try again for the n-th time in a row. */
const heldUp = (attempt: number) =>
  waitUntil(`attempt ${attempt} has failed`, () => {
    const { state } = flusher;
    return (
      (state.mode === 'retrying' || state.mode === 'paused') &&
      state.attempt === attempt &&
      clock.dueInMs.length > 0
    );
  });

/** What the files of the quarantine say. */
function quarantined(): Record<string, unknown>[] {
  const quarantineFolder = join(folder.path, 'quarantine');
  return readdirSync(quarantineFolder).map(
    (name) => JSON.parse(readFileSync(join(quarantineFolder, name), 'utf8')) as Record<string, unknown>,
  );
}

describe('a flush begins', () => {
  test('when maxBufferSize records wait, and not before', async () => {
    await crash();
    await start({ maxBufferSize: 10 });
    const records = someSessions(10);
    await accept(sessions, ...records.slice(0, 9));
    expect(flusher.state.mode).toBe('idle');
    await accept(sessions, records[0] ?? {});
    expect(flusher.state.mode).toBe('idle');
    expect(backend.writes).toEqual([]);
    await accept(sessions, records[9] ?? {});
    expect(flusher.state.mode).toBe('flushing');
    await idle();
    expect(await storedOf(sessions, records)).toBe(10);
  });

  test('at the interval, which counts from the end of the last one', async () => {
    const [first, second] = [aSession(), aSession()];
    await accept(sessions, first);
    clock.advance(flushIntervalMs - 1);
    expect(flusher.state.mode).toBe('idle');
    clock.advance(1);
    expect(flusher.state.mode).toBe('flushing');
    await idle();
    expect(await isStored(sessions, first)).toBe(true);
    expect(clock.dueInMs).toEqual([flushIntervalMs]);

    await accept(sessions, second);
    clock.advance(flushIntervalMs / 2);
    await flush();
    await idle();
    expect(clock.dueInMs).toEqual([flushIntervalMs]);
  });

  test('at the interval without a write when nothing waits, and then again', async () => {
    clock.advance(flushIntervalMs);
    await idle();
    expect(backend.writes).toEqual([]);
    expect(clock.dueInMs).toEqual([flushIntervalMs]);
  });

  test('at once when a replay has filled the buffer', async () => {
    const records = someSessions(10);
    await accept(sessions, ...records);
    await crash();
    expect(await start({ maxBufferSize: 10 })).toEqual({ replayed: 10 });
    expect(flusher.state.mode).toBe('flushing');
    await idle();
    expect(await storedOf(sessions, records)).toBe(10);
  });

  test('after the one that runs, with what was accepted meanwhile', async () => {
    await crash();
    await start({ maxBufferSize: 2 });
    const [first, second] = [someSessions(2), someSessions(3)];
    const gate = backend.hold();
    await accept(sessions, ...first);
    await gate.reached;
    await accept(sessions, ...second);
    expect(backend.writes).toHaveLength(1);
    gate.open();
    await idle();
    expect(backend.writes.map(({ keys }) => keys.length)).toEqual([2, 3]);
    expect(flusher.statistics.flushes).toBe(2);
    expect(await storedOf(sessions, [...first, ...second])).toBe(5);
  });

  test('and leaves what is accepted while it runs to the next one', async () => {
    const [first, second] = [aSession(), aSession()];
    await accept(sessions, first);
    const gate = backend.hold();
    clock.advance(flushIntervalMs);
    await gate.reached;
    await accept(sessions, second);
    gate.open();
    await idle();
    expect(await isStored(sessions, second)).toBe(false);
    expect(buffer.waitingSize).toBe(1);
    clock.advance(flushIntervalMs);
    await idle();
    expect(await isStored(sessions, second)).toBe(true);
  });
});

describe('flush()', () => {
  test('resolves only once everything accepted before it is in storage', async () => {
    const session = aSession();
    await accept(sessions, session);
    const [firstWrite, secondWrite] = [backend.hold(), backend.hold()];
    clock.advance(flushIntervalMs);
    await firstWrite.reached;
    // Accepted before the call, but not part of the flush that runs.
    const task = aTask(session.session_id);
    await accept(tasks, task);
    let resolved = false;
    const flushed = flush().then((result) => {
      resolved = true;
      return result;
    });
    firstWrite.open();
    await secondWrite.reached;
    expect(resolved).toBe(false);
    secondWrite.open();
    const { written } = await flushed;
    expect(await isStored(sessions, session)).toBe(true);
    expect(await isStored(tasks, task)).toBe(true);
    expect([...written]).toEqual([
      [sessions.name, 1],
      [tasks.name, 1],
    ]);
  });

  test('does not wait for what is accepted after it', async () => {
    await accept(sessions, aSession());
    const [firstWrite, secondWrite] = [backend.hold(), backend.hold()];
    const flushed = flush();
    await firstWrite.reached;
    const later = aSession();
    await accept(sessions, later);
    firstWrite.open();
    await flushed;
    expect(await isStored(sessions, later)).toBe(false);
    secondWrite.open();
  });

  test('resolves at once and writes nothing when nothing waits', async () => {
    await accept(sessions, aSession());
    await flush();
    expect([...(await flush()).written.values()]).toEqual([0]);
    expect(backend.writes).toHaveLength(1);
  });

  test('rejects FLUSH_TIMEOUT when storage takes longer than the limit; the flush goes on', async () => {
    const session = aSession();
    await accept(sessions, session);
    const gate = backend.hold();
    const flushed = flusher.flush(500);
    await gate.reached;
    clock.advance(500);
    await expect(flushed).rejects.toMatchObject({ name: 'ServiceError', code: 'FLUSH_TIMEOUT' });
    gate.open();
    await idle();
    expect(await isStored(sessions, session)).toBe(true);
  });

  test('rejects STORAGE_UNAVAILABLE during an outage, with its reason for the log; nothing is released', async () => {
    await accept(sessions, aSession());
    backend.fault = () => outage;
    const flushed = flusher.flush(50);
    await heldUp(1);
    clock.advance(50);
    const error = await flushed.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ServiceError);
    expect(error).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      cause: outage,
      details: { retryAfterSeconds: 5 },
    });
    expect(journal.checkpoint).toBe(0);
  });

  test('cuts the delay of a retry short', async () => {
    const session = aSession();
    await accept(sessions, session);
    backend.fault = () => outage;
    void flush().catch(() => {});
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      await heldUp(attempt);
      clock.advance(30_000);
    }
    await heldUp(9);
    const attempts = backend.writes.length;
    backend.fault = () => undefined;
    // Time stands still from here on.
    await flush();
    expect(backend.writes.length).toBe(attempts + 1);
    expect(await isStored(sessions, session)).toBe(true);
  });
});

describe('writes', () => {
  test('go to parents before what belongs to them, by key, at most 1500 a call', async () => {
    await crash();
    await start({ maxBufferSize: 10_000 });
    const records = someSessions(700);
    await accept(tasks, ...someTasks(records[0]?.session_id ?? '', 2100));
    await accept(sessions, ...records);
    await flush();
    for (const [collection, count] of [
      [sessions, 700],
      [tasks, 2100],
    ] as const) {
      const calls = backend.writes.filter((write) => write.collection === collection.name);
      const keys = calls.flatMap((write) => write.keys);
      expect(keys).toHaveLength(count);
      expect(keys).toEqual([...new Set(keys)].sort());
      for (const call of calls) expect(call.keys.length).toBeLessThanOrEqual(1500);
      expect(calls.length).toBeLessThanOrEqual(Math.ceil(count / 500));
    }
    const order = backend.writes.map(({ collection }) => collection);
    expect(order.lastIndexOf(sessions.name)).toBeLessThan(order.indexOf(tasks.name));
  });

  test.each([
    ['of ASCII text', 'x'],
    ['of Chinese text, by its bytes in UTF-8', '龙'],
  ])('%s hold about one megabyte a call at most', async (_, character) => {
    const session = aSession();
    await accept(sessions, session);
    const text = character.repeat(60_000 / Buffer.byteLength(character));
    const fields = { source_text: text, target_text: text, context: text };
    await accept(tasks, ...someTasks(session.session_id, 30).map((task) => ({ ...task, ...fields })));
    await flush();
    const calls = backend.writes.filter(({ collection }) => collection === tasks.name);
    const counts = calls.map(({ keys }) => keys.length);
    expect(counts.reduce((sum, count) => sum + count)).toBe(30);
    for (const count of counts) expect(count * 180_000).toBeLessThanOrEqual(1024 * 1024);
    expect(calls.length).toBeLessThanOrEqual(8);
  });

  test('of a record that is larger than a call’s bytes are made for it alone', async () => {
    const long = { ...aSession(), metadata: { text: 'x'.repeat(1_500_000) } };
    const records = [...someSessions(5), long];
    await accept(sessions, ...records);
    await flush();
    const calls = backend.writes.map(({ keys }) => keys);
    expect(calls).toContainEqual([long.session_id]);
    expect(calls).not.toContainEqual([]);
    expect(await storedOf(sessions, records)).toBe(6);
  });

  test('of one set are made two at a time, once the first has shown that storage takes them', async () => {
    await crash();
    await start({ maxBufferSize: 10_000 });
    const session = aSession();
    await accept(sessions, session);
    const batch = someTasks(session.session_id, 5000);
    await accept(tasks, ...batch);
    const [ofSession, first, second, third] = [1, 2, 3, 4].map(() => backend.hold());
    const flushed = flush();
    await ofSession?.reached;
    expect(backend.writes).toHaveLength(1);
    ofSession?.open();
    await first?.reached;
    expect(backend.writes).toHaveLength(2);
    first?.open();
    await Promise.all([second?.reached, third?.reached]);
    expect(backend.writes).toHaveLength(4);
    backend.openAll();
    await flushed;
    expect(backend.runningMax).toBe(2);
    expect(await storedOf(tasks, batch)).toBe(5000);
  });

  test('of one set that fail at the same time are each tried again until they work', async () => {
    await crash();
    await start({ maxBufferSize: 10_000 });
    const session = aSession();
    await accept(sessions, session);
    const batch = someTasks(session.session_id, 5000);
    await accept(tasks, ...batch);
    backend.fault = () => (backend.writes.length > 2 ? outage : undefined);
    const flushed = flush();
    await heldUp(1);
    await waitUntil('both wait', () => clock.dueInMs.filter((dueMs) => dueMs < 1000).length === 2);
    expect(backend.writes).toHaveLength(4);
    backend.fault = () => undefined;
    // Another flush cuts both delays short.
    await Promise.all([flush(), flushed]);
    expect(await storedOf(tasks, batch)).toBe(5000);
    expect(flusher.state.mode).not.toBe('retrying');
  });

  test('are made of one set at a time, however many flushes are asked for', async () => {
    const flushes: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round += 1) {
      const session = aSession();
      await accept(sessions, session);
      await accept(tasks, ...someTasks(session.session_id, 5));
      flushes.push(flush());
    }
    await Promise.all(flushes);
    expect(backend.runningMax).toBe(1);
    expect(buffer.sizeOf(tasks.name)).toBe(0);
  });
});

describe('an outage', () => {
  test.each([
    ['least', 0, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000]],
    ['most', 1, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]],
  ])('is waited out with delays that grow up to a cap; with the %s jitter', async (_, jitter, expected) => {
    random = jitter;
    const session = aSession();
    await accept(sessions, session);
    backend.fault = () => outage;
    clock.advance(flushIntervalMs);
    const beganMs = clock.nowMs();
    const delays: number[] = [];
    for (let attempt = 1; attempt <= expected.length; attempt += 1) {
      await heldUp(attempt);
      expect(flusher.state).toEqual({ mode: 'retrying', sinceMs: beganMs, attempt, error: outage });
      expect(flusher.isHeldUp).toBe(true);
      const [delayMs = 0] = clock.dueInMs;
      delays.push(delayMs);
      expect(backend.writes).toHaveLength(attempt);
      clock.advance(delayMs);
    }
    expect(delays).toEqual(expected);
    await heldUp(expected.length + 1);
    backend.fault = () => undefined;
    clock.advance(30_000);
    await idle();
    expect(await isStored(sessions, session)).toBe(true);
    expect(quarantine.size).toBe(0);
    expect(journal.checkpoint).toBe(1);
  });

  test.each([
    ['retry', 'retrying'],
    ['pause', 'paused'],
  ] as const)(
    'with the remedy "%s" makes the flusher say "%s", and quarantines and releases nothing',
    async (remedy, mode) => {
      const session = aSession();
      const records = someTasks(session.session_id, 20);
      await accept(sessions, session);
      await accept(tasks, ...records);
      const error = failure(remedy);
      backend.fault = ({ name }) => (name === tasks.name ? error : undefined);
      clock.advance(flushIntervalMs);
      for (let attempt = 1; attempt <= 12; attempt += 1) {
        await heldUp(attempt);
        expect(flusher.state).toMatchObject({ mode, error });
        clock.advance(30_000);
      }
      await heldUp(13);
      expect(quarantine.size).toBe(0);
      expect(journal.checkpoint).toBe(0);
      backend.fault = () => undefined;
      clock.advance(30_000);
      await idle();
      expect(await storedOf(tasks, records)).toBe(20);
      expect(quarantine.size).toBe(0);
      expect(journal.checkpoint).toBe(2);
    },
  );

  test('that a plugin reports with any other error is waited out as well', async () => {
    const session = aSession();
    await accept(sessions, session);
    let thrown = false;
    backend.fault = () => {
      if (thrown) return undefined;
      thrown = true;
      throw new TypeError('a fault of the plugin');
    };
    clock.advance(flushIntervalMs);
    await heldUp(1);
    expect(flusher.state).toMatchObject({ error: { remedy: 'unknown', message: 'a fault of the plugin' } });
    clock.advance(30_000);
    await idle();
    expect(await isStored(sessions, session)).toBe(true);
  });

  test('goes on accepting, and all of it is stored afterwards', async () => {
    const records = someSessions(30);
    backend.fault = () => outage;
    for (const record of records) {
      await accept(sessions, record);
      clock.advance(flushIntervalMs / 20);
    }
    await waitUntil('it is held up', () => flusher.isHeldUp);
    backend.fault = () => undefined;
    await flush();
    expect(await storedOf(sessions, records)).toBe(30);
    expect(journal.checkpoint).toBe(30);
  });
});

describe('an error that nobody knows', () => {
  /** Lets time pass until something has come about. */
  const passUntil = (what: string, isSo: () => boolean) =>
    waitUntil(what, () => {
      if (!isSo()) clock.advance(30_000);
      return isSo();
    });

  test('that hits everything is waited out, and quarantines nothing', async () => {
    const records = someSessions(9);
    await accept(sessions, ...records);
    backend.fault = () => failure('unknown');
    clock.advance(flushIntervalMs);
    // Three attempts of the whole, then each half down to single records: three rounds of it.
    await passUntil('three rounds have failed', () => backend.writes.length > 3 * (3 + 16));
    expect(flusher.state).toMatchObject({ mode: 'retrying', error: { remedy: 'unknown' } });
    expect([quarantine.size, journal.checkpoint]).toEqual([0, 0]);
    backend.fault = () => undefined;
    await passUntil('the flusher is idle', isIdle);
    expect(await storedOf(sessions, records)).toBe(9);
    expect(quarantine.size).toBe(0);
  });

  test('that passes within three attempts quarantines nothing', async () => {
    const records = someSessions(4);
    await accept(sessions, ...records);
    backend.fault = () => (backend.writes.length < 3 ? failure('unknown') : undefined);
    clock.advance(flushIntervalMs);
    await passUntil('the flusher is idle', isIdle);
    expect(backend.writes).toHaveLength(3);
    expect([await storedOf(sessions, records), quarantine.size]).toEqual([4, 0]);
  });

  test('that follows single records puts exactly these in the quarantine', async () => {
    const records = someSessions(40);
    const bad = new Set([3, 17, 39].map((index) => records[index]?.session_id));
    await accept(sessions, ...records);
    backend.fault = (_, pending) =>
      pending.some(({ record }) => bad.has(String(record.session_id))) ? failure('unknown') : undefined;
    clock.advance(flushIntervalMs);
    await passUntil('the flusher is idle', isIdle);
    expect([await storedOf(sessions, records), quarantine.size]).toEqual([37, 3]);
    expect(journal.checkpoint).toBe(1);
  });

  test('of a record that is alone is decided among others: nothing waits behind it for ever', async () => {
    const alone = aSession();
    const others = someSessions(4);
    backend.fault = (_, pending) =>
      pending.some(({ record }) => record.session_id === alone.session_id) ? failure('unknown') : undefined;
    await accept(sessions, alone);
    clock.advance(flushIntervalMs);
    await passUntil('it is tried again', () => backend.writes.length > 4);
    expect([quarantine.size, journal.checkpoint]).toEqual([0, 0]);
    await accept(sessions, ...others);
    await passUntil('the others are stored', () => isIdle() && journal.checkpoint === 2);
    expect([await storedOf(sessions, others), quarantine.size]).toEqual([4, 1]);
  });
});

describe('a backlog that is larger than memory', () => {
  const bytesMax = 4000;

  test('stays in the journal, and drains from there in order, a part at a time', async () => {
    await crash();
    await start({}, bytesMax);
    backend.fault = () => outage;
    const session = aSession();
    await accept(sessions, session);
    const records = someTasks(session.session_id, 60);
    for (const task of records) await accept(tasks, task);
    for (const task of records) await accept(tasks, { ...task, status: 'completed' });
    expect(backlog.isBehind).toBe(true);
    expect(buffer.bytes).toBeLessThanOrEqual(bytesMax);
    const peaks: number[] = [];
    backend.fault = () => {
      peaks.push(buffer.bytes);
      return undefined;
    };
    await waitUntil('everything is stored', () => {
      clock.advance(1000);
      return isIdle() && journal.checkpoint === journal.lastSequence;
    });
    expect(backlog.isBehind).toBe(false);
    expect(peaks.length).toBeGreaterThan(5);
    expect(Math.max(...peaks)).toBeLessThanOrEqual(bytesMax);
    for (const { task_id } of records) {
      expect(await sqlite.read(tasks, task_id)).toMatchObject({ status: 'completed' });
    }
  });

  test('takes what is accepted while it drains behind what is on disk', async () => {
    await crash();
    await start({}, bytesMax);
    backend.fault = () => outage;
    const session = aSession({ total_tasks: 0 });
    for (let total = 1; total <= 50; total += 1) {
      await accept(sessions, { ...session, status: 'processing', total_tasks: total });
      await accept(sessions, ...someSessions(1));
    }
    expect(backlog.isBehind).toBe(true);
    const gate = backend.hold();
    backend.fault = () => undefined;
    clock.advance(30_000);
    await gate.reached;
    await accept(sessions, { ...session, status: 'completed' });
    gate.open();
    await idle();
    expect(await sqlite.read(sessions, session.session_id)).toMatchObject({
      status: 'completed',
      total_tasks: 50,
    });
  });

  test('is what a start begins with; flush() waits until all of it is stored', async () => {
    const records = someSessions(100);
    for (const record of records) await accept(sessions, record);
    await crash();
    await start({}, bytesMax);
    expect(backlog.isBehind).toBe(true);
    expect(buffer.size).toBeLessThan(50);
    await flush();
    expect(await storedOf(sessions, records)).toBe(100);
    expect(backlog.replayed.records).toBe(100);
    expect(backlog.isBehind).toBe(false);
  });

  test('keeps the order of a deletion whose frame is on disk only, and its caller learns what it removed', async () => {
    await crash();
    await start({}, bytesMax);
    backend.fault = () => outage;
    const session = aSession();
    await accept(sessions, session);
    for (const task of someTasks(session.session_id, 40)) await accept(tasks, task);
    const dependents = [tasks];
    const payload = encodeDeletions([{ key: session.session_id, keep: false }], clock.nowMs());
    const position = await journal.append(deletionType(sessions), payload);
    const [deletion] = backlog.addDeletions(
      decodeDeletions(sessions, dependents, position, payload) ?? [],
      position,
    );
    const again = { ...session, filename: 'again.xlsx' };
    await accept(sessions, again);
    backend.fault = () => undefined;
    clock.advance(30_000);
    await flush();
    expect(await sqlite.read(sessions, session.session_id)).toMatchObject({ filename: 'again.xlsx' });
    expect(await sqlite.count(tasks, [{ field: 'session_id', is: 'equal', value: session.session_id }])).toBe(
      0,
    );
    expect(deletion?.removed.get(tasks.name)).toBe(40);
  });
});

describe('records that storage refuses for good', () => {
  /** Tasks without a session are refused by the database itself. */
  const orphans = (count: number) => someTasks(crypto.randomUUID(), count);

  test.each([
    [1, 1],
    [1, 2],
    [1, 500],
    [3, 500],
    [7, 100],
    [20, 20],
    [5, 1200],
    [1, 1000],
    [7, 1000],
    [100, 1000],
  ])('%d of %d: exactly those are quarantined, the others stored, with few calls', async (bad, all) => {
    const session = aSession();
    const [refused, good] = [orphans(bad), someTasks(session.session_id, all - bad)];
    await accept(sessions, session);
    await accept(tasks, ...refused, ...good);
    await flush();
    expect(await storedOf(tasks, good)).toBe(good.length);
    expect(await storedOf(tasks, refused)).toBe(0);
    expect(quarantine.size).toBe(bad);
    const kept = quarantined();
    expect(kept.map(({ key }) => key).sort()).toEqual(refused.map(({ task_id }) => task_id).sort());
    const calls = backend.writes.filter(({ collection }) => collection === tasks.name).length;
    const inOneCall = Math.min(all, 500);
    expect(calls).toBeLessThanOrEqual(Math.ceil(all / 100) + 2 * bad * Math.ceil(Math.log2(inOneCall)));
    expect(journal.checkpoint).toBe(2);
  });

  test('are kept whole, with the reason, and are still there after a restart', async () => {
    const [refused] = orphans(1);
    await accept(tasks, refused ?? {});
    const version = clock.nowMs() * 1000;
    await flush();
    expect(quarantined()).toEqual([
      {
        collection: tasks.name,
        key: refused?.task_id,
        parent: refused?.session_id,
        code: expect.stringContaining('SQLITE_CONSTRAINT'),
        reason: expect.any(String),
        version,
        first_version: version,
        quarantined_at: formatInstant(clock.nowMs()),
        record: refused,
      },
    ]);
    await crash();
    await start();
    expect(quarantine.size).toBe(1);
    expect(buffer.sizeOf(tasks.name)).toBe(0);
  });

  test('are not counted as written', async () => {
    const session = aSession();
    await accept(sessions, session);
    await accept(tasks, ...orphans(2), ...someTasks(session.session_id, 5));
    const { written } = await flush();
    expect(written.get(tasks.name)).toBe(5);
    expect(flusher.statistics.written.get(tasks.name)).toBe(5);
  });

  test('are in the quarantine before the journal is released; while it cannot be written, nothing is', async () => {
    const refused = orphans(1);
    await accept(tasks, ...refused);
    files.fail('replace');
    files.fail('replace', { nth: 2 });
    clock.advance(flushIntervalMs);
    await heldUp(1);
    clock.advance(30_000);
    await heldUp(2);
    expect(journal.checkpoint).toBe(0);
    await crash();
    await start();
    await flush();
    expect(quarantined().map(({ key }) => key)).toContain(refused[0]?.task_id);
    expect(journal.checkpoint).toBe(1);
  });

  test('are found also when storage goes away in the middle of the search', async () => {
    const session = aSession();
    const [refused, good] = [orphans(2), someTasks(session.session_id, 30)];
    await accept(sessions, session);
    await accept(tasks, ...refused, ...good);
    let calls = 0;
    backend.fault = () => {
      calls += 1;
      return calls % 3 === 0 ? outage : undefined;
    };
    const flushed = flush();
    await waitUntil('everything is stored', async () => {
      if (flusher.isHeldUp) clock.advance(100);
      return isIdle();
    });
    await flushed;
    expect(quarantine.size).toBe(2);
    expect(await storedOf(tasks, good)).toBe(30);
  });

  test('since the buffer refused them are quarantined with that reason', async () => {
    const session = aSession();
    const task = aTask(session.session_id);
    await accept(sessions, session);
    await accept(tasks, task);
    await accept(tasks, { ...task, session_id: 'another', target_text: 'wrong' });
    await flush();
    expect(quarantined()).toMatchObject([{ key: task.task_id, code: 'FIXED_FIELD_CHANGED' }]);
    expect(await sqlite.read(tasks, task.task_id)).toMatchObject({
      session_id: session.session_id,
      target_text: null,
    });
  });
});

describe('a call that is too large', () => {
  const tooLargeAbove = (recordsMax: number) => {
    backend.fault = (_, records) => (records.length > recordsMax ? failure('split') : undefined);
  };

  test('is halved until it fits; nothing is quarantined', async () => {
    const records = someSessions(100);
    await accept(sessions, ...records);
    tooLargeAbove(30);
    await flush();
    expect(backend.writes.map(({ keys }) => keys.length)).toEqual([100, 50, 25, 25, 50, 25, 25]);
    expect(await storedOf(sessions, records)).toBe(100);
    expect(quarantine.size).toBe(0);
  });

  test('with a single record: that record is quarantined', async () => {
    const [huge, other] = [aSession({ filename: 'huge' }), aSession()];
    await accept(sessions, huge, other);
    backend.fault = (_, records) =>
      records.some(({ record }) => record.filename === 'huge') ? failure('split') : undefined;
    await flush();
    expect(quarantined()).toMatchObject([{ key: huge.session_id, code: 'SPLIT' }]);
    expect(await isStored(sessions, other)).toBe(true);
  });
});

describe('the journal', () => {
  test('is released only after storage has everything', async () => {
    const session = aSession();
    await accept(sessions, session);
    await accept(tasks, ...someTasks(session.session_id, 600));
    files.calls.splice(0);
    await flush();
    const stored = files.calls.splice(0, files.calls.indexOf('overwrite checkpoint'));
    expect(stored.length).toBe(backend.writes.length);
    expect(new Set(stored)).toEqual(new Set([`stored ${sessions.name}`, `stored ${tasks.name}`]));
    expect(backend.writes.flatMap(({ keys }) => keys)).toHaveLength(601);
    expect(files.calls).toEqual(['overwrite checkpoint', 'overwrite checkpoint done']);
    expect(journal.checkpoint).toBe(2);
  });

  test('is released up to what the flush took, not to what came meanwhile', async () => {
    await accept(sessions, aSession());
    const gate = backend.hold();
    clock.advance(flushIntervalMs);
    await gate.reached;
    const later = aSession();
    await accept(sessions, later);
    gate.open();
    await idle();
    expect(journal.checkpoint).toBe(1);
    await crash();
    expect(await start()).toEqual({ replayed: 1 });
    expect(buffer.has(sessions, later.session_id)).toBe(true);
  });

  test('whose checkpoint cannot be written harms no flush; the next one moves it', async () => {
    const [first, second] = [aSession(), aSession()];
    await accept(sessions, first);
    files.fail('overwrite');
    await flush();
    expect(await isStored(sessions, first)).toBe(true);
    expect(journal.checkpoint).toBe(0);
    await accept(sessions, second);
    await flush();
    expect(journal.checkpoint).toBe(2);
  });

  test('with frames whose records this version cannot read does not stop the start', async () => {
    const session = aSession();
    for (const body of ['{"sessions":[null]}', '{"sessions":{}}', '{}', 'null', '"', '']) {
      await journal.append(sessions.name, Buffer.from(body));
    }
    await journal.append('of a later version', Buffer.from('{}'));
    await journal.append(sessions.name, Buffer.from(JSON.stringify({ sessions: [session] })));
    await crash();
    expect(await start()).toEqual({ replayed: 1 });
    await flush();
    expect(await isStored(sessions, session)).toBe(true);
  });

  test('that is replayed after a crash before its release changes nothing in storage', async () => {
    const session = aSession({ status: 'pending', total_tasks: 5 });
    await accept(sessions, session);
    clock.advance(1);
    await accept(sessions, { ...session, status: 'completed', total_tasks: 3, metadata: { a: 1 } });
    files.fail('overwrite');
    await flush();
    const before = await sqlite.read(sessions, session.session_id);
    expect(before).toMatchObject({ status: 'completed', total_tasks: 5, metadata: { a: 1 } });
    await crash();
    expect(await start()).toEqual({ replayed: 2 });
    await flush();
    expect(await sqlite.read(sessions, session.session_id)).toEqual(before);
  });
});

describe('where tasks may wait for their session', () => {
  const holdMsMax = 10 * flushIntervalMs;

  beforeEach(async () => {
    await crash();
    await start({ holdMsMax });
  });

  test('they wait, harm no other, and are stored once it has arrived', async () => {
    const [session, late] = [aSession(), aSession()];
    const early = someTasks(late.session_id, 3);
    await accept(sessions, session);
    await accept(tasks, ...early, aTask(session.session_id));
    expect(await flush()).toMatchObject({ held: 3 });
    expect(await storedOf(tasks, early)).toBe(0);
    expect(backend.writes.filter(({ collection }) => collection === tasks.name)).toHaveLength(1);
    clock.advance(flushIntervalMs);
    await idle();
    await accept(sessions, late);
    expect(await flush()).toMatchObject({ held: 0 });
    expect(await storedOf(tasks, early)).toBe(3);
    expect(quarantine.size).toBe(0);
    expect(journal.checkpoint).toBe(journal.lastSequence);
  });

  test('the journal keeps them, over restarts, as long as they wait', async () => {
    await accept(sessions, aSession());
    const late = aSession();
    const early = aTask(late.session_id);
    await accept(tasks, early);
    await accept(sessions, aSession());
    await flush();
    expect(journal.checkpoint).toBe(1);
    await crash();
    expect(await start({ holdMsMax })).toEqual({ replayed: 2 });
    await idle();
    expect(journal.checkpoint).toBe(1);
    await accept(sessions, late);
    await flush();
    expect(await isStored(tasks, early)).toBe(true);
    expect(journal.checkpoint).toBe(journal.lastSequence);
  });

  test('they are quarantined when it does not arrive in time', async () => {
    const early = aTask(crypto.randomUUID());
    await accept(tasks, early);
    clock.advance(flushIntervalMs);
    await idle();
    clock.advance(holdMsMax - flushIntervalMs);
    await idle();
    expect(quarantine.size).toBe(0);
    clock.advance(flushIntervalMs);
    await idle();
    expect(quarantined()).toMatchObject([{ key: early.task_id, code: 'PARENT_MISSING' }]);
    expect(journal.checkpoint).toBe(1);
  });

  test('a flush looks again whether their session is there, also when nothing new was accepted', async () => {
    const late = aSession();
    const early = aTask(late.session_id);
    await accept(tasks, early);
    expect(await flush()).toMatchObject({ held: 1 });
    // Another instance has brought it.
    await sqlite.write(sessions, [{ record: late, version: 1, firstVersion: 1 }]);
    expect(await flush()).toMatchObject({ held: 0 });
    expect(await isStored(tasks, early)).toBe(true);
  });

  test('a stop that leaves them behind says so', async () => {
    await accept(tasks, aTask(crypto.randomUUID()));
    expect(await flusher.stop(1000)).toBe(false);
    expect(journal.checkpoint).toBe(0);
  });
});

describe('stop()', () => {
  test('drains everything that was accepted, also what came while a flush ran', async () => {
    const records = someSessions(3);
    await accept(sessions, ...records.slice(0, 2));
    const gate = backend.hold();
    clock.advance(flushIntervalMs);
    await gate.reached;
    await accept(sessions, ...records.slice(2));
    const stopped = flusher.stop(10_000);
    gate.open();
    expect(await stopped).toBe(true);
    expect(flusher.state).toEqual({ mode: 'stopped' });
    expect(await storedOf(sessions, records)).toBe(3);
    expect(journal.checkpoint).toBe(2);
  });

  test('returns at once when nothing waits', async () => {
    expect(await flusher.stop(10_000)).toBe(true);
    expect(backend.writes).toEqual([]);
  });

  test('returns false within its limit while storage fails; everything stays journaled and is replayed', async () => {
    const records = someSessions(5);
    await accept(sessions, ...records);
    backend.fault = () => outage;
    const stopped = flusher.stop(1000);
    await heldUp(1);
    clock.advance(1000);
    expect(await stopped).toBe(false);
    expect(journal.checkpoint).toBe(0);
    const attempts = backend.writes.length;
    backend.fault = () => undefined;
    clock.advance(1_000_000);
    expect(backend.writes).toHaveLength(attempts);
    expect(await storedOf(sessions, records)).toBe(0);

    await journal.close();
    await quarantine.close();
    expect(await start()).toEqual({ replayed: 5 });
    await flush();
    expect(await storedOf(sessions, records)).toBe(5);
  });

  test('returns false within its limit while storage hangs; a write that ends later begins no other', async () => {
    const session = aSession();
    await accept(sessions, session);
    await accept(tasks, aTask(session.session_id));
    const gate = backend.hold();
    const stopped = flusher.stop(1000);
    await gate.reached;
    clock.advance(1000);
    expect(await stopped).toBe(false);
    gate.open();
    await waitUntil('the write has ended', () => isStored(sessions, session));
    await sqlite.healthCheck();
    expect(backend.writes).toHaveLength(1);
    expect(journal.checkpoint).toBe(0);
    expect(flusher.state).toEqual({ mode: 'stopped' });
  });

  test('is for good: a write that ends after it changes nothing here any more', async () => {
    await accept(sessions, aSession());
    const gate = backend.hold();
    const stopped = flusher.stop(1000);
    await gate.reached;
    clock.advance(1000);
    expect(await stopped).toBe(false);
    gate.open();
    await waitUntil('the write has ended', () => files.calls.includes(`stored ${sessions.name}`));
    // Long enough for a checkpoint, which takes as many syncs.
    for (let version = 0; version < 5; version += 1) {
      await quarantine.addFrame({ sequence: 1, version, type: 'pause', payload: new Uint8Array(0) });
    }
    expect(flusher.state).toEqual({ mode: 'stopped' });
    expect(clock.dueInMs).toEqual([]);
    expect(journal.checkpoint).toBe(0);
  });

  test('leaves nothing scheduled, and later demands begin no flush', async () => {
    await accept(sessions, aSession());
    expect(await flusher.stop(1000)).toBe(true);
    expect(clock.dueInMs).toEqual([]);
    const writes = backend.writes.length;
    await accept(sessions, aSession());
    clock.advance(flushIntervalMs);
    expect(backend.writes).toHaveLength(writes);
    expect(flusher.state.mode).toBe('stopped');
  });
});

describe('a fault outside of storage', () => {
  test('a checkpoint that could not be written is written by the next flush, also when nothing new was accepted', async () => {
    await accept(sessions, aSession());
    files.fail('overwrite', { code: 'ENOSPC' });
    await flush();
    expect(journal.checkpoint).toBe(0);
    await idle();
    clock.advance(flushIntervalMs);
    await waitUntil('the checkpoint is written', () => journal.checkpoint === 1);
    await idle();
  });

  test('a quarantine that cannot be written is named and tried again; nothing is released until it has the record', async () => {
    const [refused, other] = [aSession(), aSession()];
    await accept(sessions, refused, other);
    backend.fault = (_, records) =>
      records.some(({ record }) => record.session_id === refused.session_id) ? failure('refuse') : undefined;
    files.fail('replace', { code: 'ENOSPC' });
    const flushed = flush();
    await heldUp(1);
    expect(flusher.state).toMatchObject({ mode: 'retrying', error: { code: 'QUARANTINE_FAILED' } });
    expect(quarantine.size).toBe(0);
    expect(journal.checkpoint).toBe(0);
    clock.advance(5_000);
    await flushed;
    expect(quarantined()).toMatchObject([{ key: refused.session_id }]);
    expect(await isStored(sessions, other)).toBe(true);
    expect(journal.checkpoint).toBe(1);
  });

  test('a full quarantine pauses the flush and drops nothing; it goes on by itself once there is room', async () => {
    const records = someSessions(recordsMax + 2);
    const good = aSession();
    await accept(sessions, ...records, good);
    backend.fault = (_, written) =>
      written.some(({ record }) => record.session_id !== good.session_id) ? failure('refuse') : undefined;
    clock.advance(flushIntervalMs);
    await heldUp(1);
    expect(flusher.state).toMatchObject({ mode: 'paused', error: { code: 'QUARANTINE_FULL' } });
    expect(quarantine.size).toBe(recordsMax);
    expect(journal.checkpoint).toBe(0);
    clock.advance(30_000);
    await heldUp(2);

    const [first, second] = quarantine.entries;
    await quarantine.remove([first?.id ?? '', second?.id ?? '']);
    clock.advance(30_000);
    await idle();
    expect(quarantine.size).toBe(recordsMax);
    expect(quarantine.added).toBe(recordsMax + 2);
    expect(await isStored(sessions, good)).toBe(true);
    expect(journal.checkpoint).toBe(1);
  });

  test('an error that is no StorageError is shown and tried again, and stops nothing for good', async () => {
    const session = aSession();
    await accept(sessions, session);
    let thrown = false;
    Object.defineProperty(registry, 'collections', {
      configurable: true,
      get() {
        if (thrown) return [sessions, tasks];
        thrown = true;
        throw new RangeError('a fault of the program');
      },
    });
    const flushed = flush();
    await heldUp(1);
    expect(flusher.state).toMatchObject({ mode: 'retrying', error: { remedy: 'unknown' } });
    clock.advance(1000);
    await flushed;
    expect(await isStored(sessions, session)).toBe(true);
  });
});

test('a replay that brings a refused record again leaves it in the quarantine once', async () => {
  await crash();
  await start({ holdMsMax: 3_600_000 });
  const early = aTask(crypto.randomUUID());
  const [home, other] = [aSession(), aSession()];
  // The held task keeps its frame and all later ones in the journal.
  await accept(tasks, early);
  await accept(sessions, home, other);
  const task = aTask(home.session_id);
  await accept(tasks, task);
  await accept(tasks, { ...task, session_id: other.session_id });
  for (let starts = 0; starts < 3; starts += 1) {
    await flush();
    expect(quarantine.size).toBe(1);
    await crash();
    await start({ holdMsMax: 3_600_000 });
  }
});

test('a held task whose session is accepted but not stored yet is not quarantined, however long that takes', async () => {
  await crash();
  const holdMsMax = flushIntervalMs / 2;
  await start({ holdMsMax });
  const session = aSession();
  const task = aTask(session.session_id);
  await accept(tasks, task);
  const existing = sqlite.existing.bind(sqlite);
  let answers = false;
  backend.existing = async (collection, keys) => {
    if (!answers) throw outage;
    return await existing(collection, keys);
  };
  clock.advance(flushIntervalMs);
  await heldUp(1);
  await accept(sessions, session);
  answers = true;
  clock.advance(flushIntervalMs);
  await waitUntil('the first set is settled', () => flusher.statistics.flushes === 1);
  await flush();
  expect(quarantine.size).toBe(0);
  expect(await isStored(tasks, task)).toBe(true);
});
