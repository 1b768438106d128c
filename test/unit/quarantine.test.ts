import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RefusedRecord } from '../../src/engine/flush-set.ts';
import { Quarantine } from '../../src/engine/quarantine.ts';
import type { QuarantineEntry } from '../../src/engine/quarantine-file.ts';
import { Journal } from '../../src/journal/journal.ts';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { StorageRegistry } from '../../src/storage/registry.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { FaultyFiles } from '../support/faulty-files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession, aTask } from '../support/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let home: ReturnType<typeof temporaryFolder>;
let folder: string;
let files: FaultyFiles;
let clock: ManualClock;
let errors: { message: string; properties: Readonly<Record<string, unknown>> }[];

beforeEach(() => {
  home = temporaryFolder();
  folder = join(home.path, 'quarantine');
  files = new FaultyFiles();
  clock = new ManualClock();
  errors = [];
});

afterEach(() => {
  files.openAll();
  home[Symbol.dispose]();
});

function registry(): StorageRegistry {
  const made = new StorageRegistry();
  made.register('only', new SqliteBackend(':memory:'));
  for (const collection of [sessions, tasks]) made.route(collection, 'only');
  return made;
}

function open({ recordsMax = 100 } = {}): Promise<Quarantine> {
  const error = (message: string, properties = {}): void => void errors.push({ message, properties });
  return Quarantine.open(
    { folder, recordsMax },
    { files, clock, logger: { ...silentLogger, error }, registry: registry() },
  );
}

/** A refused task; the given fields replace its own. */
function refused(fields: Partial<RefusedRecord> = {}): RefusedRecord {
  return {
    collection: tasks,
    record: aTask('s-1', { task_id: 't-1' }),
    version: 1_795_391_721_255_001,
    firstVersion: 1_795_391_721_000_000,
    code: 'ER_DATA_TOO_LONG',
    reason: "Data too long for column 'sheet_name' at row 1",
    ...fields,
  };
}

const taskNamed = (taskId: string) => refused({ record: aTask('s-1', { task_id: taskId }) });
const names = () => readdirSync(folder).toSorted();
const fileOf = (id: string) => join(folder, `${id}.json`);
const contentOf = (id: string) => JSON.parse(readFileSync(fileOf(id), 'utf8')) as Record<string, unknown>;
const entriesOf = (quarantine: Quarantine) => [...quarantine.entries];

async function onlyEntry(quarantine: Quarantine): Promise<QuarantineEntry> {
  const [entry, ...others] = entriesOf(quarantine);
  if (entry === undefined || others.length > 0) throw new Error(`${others.length + 1} entries`);
  return entry;
}

describe('a record in the quarantine', () => {
  test('is one file that a person can read, whole, with the reason and the times', async () => {
    const quarantine = await open();
    await quarantine.add(refused());
    const { id } = await onlyEntry(quarantine);
    expect(names()).toEqual([`${id}.json`]);
    expect(id).toStartWith('1795391721255001-');
    expect(readFileSync(fileOf(id), 'utf8').split('\n').length).toBeGreaterThan(10);
    expect(contentOf(id)).toEqual({
      collection: 'translation_tasks',
      key: 't-1',
      parent: 's-1',
      code: 'ER_DATA_TOO_LONG',
      reason: "Data too long for column 'sheet_name' at row 1",
      version: 1_795_391_721_255_001,
      first_version: 1_795_391_721_000_000,
      quarantined_at: '2025-09-30T10:00:00Z',
      record: aTask('s-1', { task_id: 't-1' }),
    });
  });

  test('is there only once its file is durable; a removal only once that is', async () => {
    const quarantine = await open();
    files.calls.splice(0);
    const writing = files.hold('replace');
    const added = quarantine.add(refused());
    await writing.reached;
    expect(quarantine.size).toBe(0);
    writing.open();
    await added;
    const { id } = await onlyEntry(quarantine);

    const syncing = files.hold('syncFolder');
    const removed = quarantine.remove([id]);
    await syncing.reached;
    expect(quarantine.size).toBe(1);
    syncing.open();
    await removed;
    expect(quarantine.size).toBe(0);
    expect(files.calls).toEqual([
      `replace ${id}.json`,
      `replace ${id}.json done`,
      `remove ${id}.json`,
      `remove ${id}.json done`,
      'syncFolder quarantine',
      'syncFolder quarantine done',
    ]);
  });

  test('survives a restart, and what a replay brings again is kept once, however its reason is worded', async () => {
    const quarantine = await open();
    const all = [
      refused(),
      refused({ code: 'ER_CHECK' }),
      refused({ version: 1_795_391_721_255_002 }),
      refused({ record: aTask('s-1', { task_id: 't-1', target_text: 'another' }) }),
      taskNamed('t-2'),
      refused({ collection: sessions, record: aSession({ session_id: 't-1' }) }),
    ];
    for (const each of all) await quarantine.add(each);
    await quarantine.add(refused({ reason: 'Data too long at row 17' }));
    expect(quarantine.size).toBe(all.length);
    await quarantine.close();

    clock.advance(60_000);
    const again = await open();
    expect(new Set(entriesOf(again))).toEqual(new Set(entriesOf(quarantine)));
    for (const each of all) await again.add({ ...each, reason: 'Data too long at row 3' });
    expect(again.size).toBe(all.length);
    expect(again.added).toBe(0);
    expect(names()).toHaveLength(all.length);
  });

  test('that is refused once more has the new reason, and keeps what it was', async () => {
    const quarantine = await open();
    await quarantine.add(refused());
    const { id } = await onlyEntry(quarantine);
    const before = contentOf(id);
    const read = await quarantine.read(id);
    if (read?.content === undefined || !('record' in read.content)) throw new Error('no record');
    clock.advance(1000);
    await quarantine.noteRefusal(id, read.content, { code: 'NEW', reason: 'a new one' });
    const after = { ...before, code: 'NEW', reason: 'a new one', retried_at: '2025-09-30T10:00:01Z' };
    expect(contentOf(id)).toEqual(after);
    expect(await onlyEntry(quarantine)).toMatchObject({ id, code: 'NEW', reason: 'a new one' });
    expect(await onlyEntry(await open())).toMatchObject({ id, code: 'NEW', reason: 'a new one' });
  });

  test('that was discarded meanwhile does not come back by a note', async () => {
    const quarantine = await open();
    await quarantine.add(refused());
    const { id } = await onlyEntry(quarantine);
    const read = await quarantine.read(id);
    if (read?.content === undefined || !('record' in read.content)) throw new Error('no record');
    const removed = quarantine.remove([id]);
    await quarantine.noteRefusal(id, read.content, { code: 'NEW', reason: 'a new one' });
    await removed;
    expect(names()).toEqual([]);
    expect(await quarantine.read(id)).toBeUndefined();
  });
});

test('a frame that cannot be read is kept, byte by byte, once', async () => {
  const quarantine = await open();
  const payload = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const frame = { sequence: 7, version: 42, type: 'things_of_tomorrow', payload };
  await quarantine.addFrame(frame);
  await (await open()).addFrame(frame);
  const { id } = await onlyEntry(await open());
  expect(contentOf(id)).toEqual({
    type: 'things_of_tomorrow',
    code: 'UNREADABLE_FRAME',
    reason: expect.any(String),
    version: 42,
    quarantined_at: '2025-09-30T10:00:00Z',
    payload_base64: Buffer.from(payload).toString('base64'),
  });
});

describe('a full quarantine', () => {
  test('takes no further record, drops none, and says what to do; it takes them once there is room', async () => {
    const quarantine = await open({ recordsMax: 2 });
    await quarantine.add(taskNamed('a'));
    await quarantine.add(taskNamed('b'));
    const before = names();
    await expect(quarantine.add(taskNamed('c'))).rejects.toMatchObject({
      name: 'StorageError',
      remedy: 'pause',
      code: 'QUARANTINE_FULL',
      message: expect.stringMatching(/quarantine\.records_max \(2\).*retry or discard/),
    });
    expect(names()).toEqual(before);
    await quarantine.add(taskNamed('a'));
    await quarantine.remove([entriesOf(quarantine)[0]?.id ?? '']);
    await quarantine.add(taskNamed('c'));
    expect(entriesOf(quarantine).map(({ key }) => key)).toEqual(['b', 'c']);
  });

  test('is full after a restart as well; unreadable frames it takes all the same, for the start waits for them', async () => {
    await (await open()).add(taskNamed('a'));
    const quarantine = await open({ recordsMax: 1 });
    await expect(quarantine.add(taskNamed('b'))).rejects.toMatchObject({ code: 'QUARANTINE_FULL' });
    await quarantine.addFrame({ sequence: 1, version: 1, type: 'x', payload: new Uint8Array(1) });
    expect(quarantine.size).toBe(2);
  });
});

test('a disk fault is one call: the next one works, without a restart', async () => {
  const quarantine = await open();
  const cause = files.fail('replace', { code: 'ENOSPC' });
  await expect(quarantine.add(refused())).rejects.toMatchObject({
    name: 'StorageError',
    remedy: 'retry',
    code: 'QUARANTINE_FAILED',
    cause,
  });
  expect(quarantine.size).toBe(0);
  await quarantine.add(refused());
  expect(quarantine.size).toBe(1);

  const { id } = await onlyEntry(quarantine);
  files.fail('syncFolder');
  await expect(quarantine.remove([id])).rejects.toThrow('injected');
  expect(quarantine.size).toBe(1);
  await quarantine.remove([id]);
  expect(quarantine.size).toBe(0);
});

describe('a file that cannot be read', () => {
  const damages: [what: string, text: string][] = [
    ['cut short', '{"collection": "translation_tasks", "ke'],
    ['of another form', '{"collection": 7}'],
    ['with a version that is no time', JSON.stringify({ ...aFile(), version: 1e300 })],
    ['empty', ''],
    ['no object', 'null'],
  ];

  test.each(damages)('(%s) stops nothing, is counted and reported, and stays', async (_, text) => {
    await (await open()).add(refused());
    writeFileSync(join(folder, 'broken.json'), text);
    const quarantine = await open();
    expect(quarantine.size).toBe(2);
    expect(entriesOf(quarantine)).toContainEqual(
      expect.objectContaining({ id: 'broken', kind: 'damaged file', code: 'DAMAGED_FILE' }),
    );
    expect(errors).toEqual([
      {
        message: expect.stringContaining('cannot be read'),
        properties: { file: join(folder, 'broken.json'), error: expect.any(String) },
      },
    ]);
    await quarantine.add(taskNamed('t-9'));
    expect(readFileSync(join(folder, 'broken.json'), 'utf8')).toBe(text);
    expect(await quarantine.read('broken')).toMatchObject({ content: undefined });
  });

  test('because it is no file is reported too', async () => {
    mkdirSync(join(folder, 'folder.json'), { recursive: true });
    expect(entriesOf(await open())).toMatchObject([{ id: 'folder', kind: 'damaged file' }]);
  });

  test('is read once a person has mended it', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'broken.json'), '{');
    const quarantine = await open();
    writeFileSync(join(folder, 'broken.json'), JSON.stringify(aFile()));
    expect((await quarantine.read('broken'))?.content).toEqual(aFile());
    expect(await onlyEntry(quarantine)).toMatchObject({ kind: 'record', key: 't-1' });
  });

  test('does not keep its record out: brought again by a replay, the record is written anew', async () => {
    const first = await open();
    await first.add(refused());
    const { id } = await onlyEntry(first);
    writeFileSync(fileOf(id), '');
    const quarantine = await open({ recordsMax: 1 });
    await quarantine.add(refused());
    expect(contentOf(id)).toMatchObject({ key: 't-1' });
    expect(await onlyEntry(quarantine)).toMatchObject({ kind: 'record' });
  });
});

test('other files in the folder are none of its business, a write that a crash cut short among them', async () => {
  mkdirSync(folder, { recursive: true });
  for (const name of ['README', 'x.json.tmp', 'notes.txt']) writeFileSync(join(folder, name), '?');
  expect((await open()).size).toBe(0);
  expect(names()).toEqual(['README', 'notes.txt', 'x.json.tmp']);
});

describe('the journal in which earlier versions kept it', () => {
  /** What `Quarantine.add` of the earlier version appended. */
  const journaled = {
    key: 't-1',
    code: 'ER_DATA_TOO_LONG',
    reason: 'too long',
    version: 1_795_391_721_255_001,
    first_version: 1_795_391_721_000_000,
    record: aTask('s-1', { task_id: 't-1' }),
  };

  beforeEach(async () => {
    const options = {
      folder,
      sync: 'always',
      syncIntervalMs: 100,
      segmentBytesMax: 200,
      bytesMax: 1e6,
    } as const;
    const { journal } = await Journal.open(options, { files, clock, logger: silentLogger }, () => {});
    await journal.append('translation_tasks', Buffer.from(JSON.stringify(journaled)));
    await journal.append('things_of_tomorrow', Buffer.from([0xff, 0x00]));
    await journal.close();
    files.calls.splice(0);
  });

  const journals = () => names().filter((name) => name.endsWith('.journal'));

  test('becomes files, once, and is deleted when they are on disk', async () => {
    clock.advance(3_600_000);
    const quarantine = await open();
    expect(entriesOf(quarantine)).toMatchObject([
      {
        kind: 'record',
        key: 't-1',
        parent: 's-1',
        reason: 'too long',
        quarantinedAtMs: Date.UTC(2025, 8, 30, 10),
      },
      { kind: 'frame', collection: 'things_of_tomorrow' },
    ]);
    const [record, frame] = entriesOf(quarantine).map(({ id }) => contentOf(id));
    expect(record).toMatchObject({ ...journaled, collection: 'translation_tasks' });
    expect(frame).toMatchObject({ code: 'UNREADABLE_FRAME', payload_base64: '/wA=' });
    expect(journals()).toEqual([]);
    const steps = files.calls.filter((call) => !call.endsWith(' done')).map((call) => call.split(' ')[0]);
    expect(steps).toEqual(['replace', 'replace', 'remove', 'remove', 'syncFolder']);
    expect((await open()).size).toBe(2);
  });

  test('stays when the disk does not take the files, and the start goes on; the next one tries again', async () => {
    files.fail('replace', { nth: 2, code: 'ENOSPC' });
    const before = journals();
    expect(before.length).toBeGreaterThan(1);
    expect((await open()).size).toBe(1);
    expect(journals()).toEqual(before);
    expect(errors).toHaveLength(1);
    expect((await open()).size).toBe(2);
    expect(journals()).toEqual([]);
  });

  test('is the same record that a replay brings again', async () => {
    const quarantine = await open();
    await quarantine.add(refused());
    expect(quarantine.size).toBe(2);
  });
});

/** A file as it is written for `refused()`. */
function aFile() {
  return {
    collection: 'translation_tasks',
    key: 't-1',
    parent: 's-1',
    code: 'ER_DATA_TOO_LONG',
    reason: 'too long',
    version: 1_795_391_721_255_001,
    first_version: 1_795_391_721_000_000,
    quarantined_at: '2025-09-30T10:00:00Z',
    record: aTask('s-1', { task_id: 't-1' }),
  };
}
