import { afterEach, describe, expect, spyOn, test } from 'bun:test';
import { cpSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { encodeFrame, type Frame, type Position } from '../../src/journal/frame.ts';
import { Journal, type JournalOptions } from '../../src/journal/journal.ts';
import type { ReplayReport } from '../../src/journal/recovery.ts';
import { systemFiles } from '../../src/platform/durable-files.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { FaultyFiles } from '../support/faulty-files.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

/** A frame as a test compares it. */
type Seen = Position & { type: string; payload: string };

interface Opened {
  journal: Journal;
  report: ReplayReport;
  frames: Seen[];
  files: FaultyFiles;
  clock: ManualClock;
}

interface Settings extends Partial<Omit<JournalOptions, 'folder'>> {
  files?: FaultyFiles;
  clock?: ManualClock;
}

const firstSegment = '0000000000000001.journal';

const toClose: Pick<Opened, 'journal' | 'files'>[] = [];

/** Also after a failure, and in tests that leave a journal as a crash would. */
afterEach(async () => {
  for (const { journal, files } of toClose.splice(0)) {
    files.openAll();
    await journal.close().catch(() => {});
  }
});

async function openJournal(folder: string, settings: Settings = {}): Promise<Opened> {
  const { files = new FaultyFiles(), clock = new ManualClock(), ...options } = settings;
  const frames: Seen[] = [];
  const { journal, report } = await Journal.open(
    {
      folder,
      sync: 'always',
      syncIntervalMs: 100,
      segmentBytesMax: 1_000_000,
      bytesMax: 10_000_000,
      ...options,
    },
    { files, clock, logger: silentLogger },
    (frame) => frames.push(seen(frame)),
  );
  toClose.push({ journal, files });
  return { journal, report, frames, files, clock };
}

const seen = ({ sequence, version, type, payload }: Frame): Seen => ({
  sequence,
  version,
  type,
  payload: Buffer.from(payload).toString('utf8'),
});

function append(journal: Journal, payload: string, type = 'tasks'): Promise<Position> {
  return journal.append(type, Buffer.from(payload));
}

/** Appends one by one, so that each frame is a group of its own. */
async function appendAll(journal: Journal, payloads: readonly string[]): Promise<Seen[]> {
  const appended: Seen[] = [];
  for (const payload of payloads)
    appended.push({ ...(await append(journal, payload)), type: 'tasks', payload });
  return appended;
}

/** A closed journal of these frames, and where each of them ends in the one segment it has. */
async function writeJournal(folder: string, payloads: readonly string[], checkpoint = 0) {
  const { journal } = await openJournal(folder);
  const frames: Seen[] = [];
  const ends: number[] = [];
  for (const payload of payloads) {
    frames.push(...(await appendAll(journal, [payload])));
    ends.push(journal.bytes);
  }
  if (checkpoint > 0) await journal.release(checkpoint);
  await journal.close();
  return { frames, ends };
}

const segmentsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.journal'))
    .sort();

const keptAside = (folder: string): Buffer[] =>
  existsSync(join(folder, 'damaged'))
    ? readdirSync(join(folder, 'damaged'))
        .sort()
        .map((name) => readFileSync(join(folder, 'damaged', name)))
    : [];

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.then(
    () => 'accepted',
    (error: { code?: unknown }) => error.code,
  );

const texts = (count: number): string[] => Array.from({ length: count }, (_, index) => `payload ${index}`);

describe('accepting', () => {
  test('an append resolves only once its frame is in the file and synced', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path);
    files.calls.splice(0);
    const sync = files.hold('sync');
    const appended = append(journal, 'one').then(() => files.calls.push('acked'));
    await sync.reached;
    expect(readFileSync(join(folder.path, firstSegment)).includes('one')).toBe(true);
    expect(files.calls).not.toContain('acked');
    sync.open();
    await appended;
    expect(files.calls).toEqual([
      `create ${firstSegment}`,
      `create ${firstSegment} done`,
      `append ${firstSegment}`,
      `append ${firstSegment} done`,
      `sync ${firstSegment}`,
      `sync ${firstSegment} done`,
      'acked',
    ]);
    await journal.close();
  });

  test('appends that wait share one write and one sync, and resolve in their order', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path);
    const sync = files.hold('sync');
    const acked: number[] = [];
    const note = ({ sequence }: Position): void => {
      acked.push(sequence);
    };
    const first = append(journal, 'first').then(note);
    await sync.reached;
    const others = texts(50).map((text) => append(journal, text).then(note));
    expect(acked).toEqual([]);
    sync.open();
    await Promise.all([first, ...others]);
    expect(acked).toEqual(Array.from({ length: 51 }, (_, index) => index + 1));
    expect(files.count('append')).toBe(2);
    expect(files.count('sync')).toBe(2);
    await journal.close();
  });

  test('the sync that runs when an append comes is not taken for its own', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path);
    const [firstSync, secondSync] = [files.hold('sync'), files.hold('sync')];
    const acked: string[] = [];
    const first = append(journal, 'first').then(() => acked.push('first'));
    await firstSync.reached;
    const late = append(journal, 'late').then(() => acked.push('late'));
    firstSync.open();
    await first;
    await secondSync.reached;
    expect(acked).toEqual(['first']);
    secondSync.open();
    await late;
    expect(acked).toEqual(['first', 'late']);
    await journal.close();
  });

  test('appends of one turn share the first group', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path);
    await Promise.all(texts(10).map((text) => append(journal, text)));
    expect(files.count('append')).toBe(1);
    expect(files.count('sync')).toBe(1);
    await journal.close();
  });

  test('a group of more frames than one system call takes is written whole', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path);
    const payloads = texts(3000);
    await Promise.all(payloads.map((payload) => append(journal, payload)));
    await journal.close();
    const { frames } = await openJournal(folder.path);
    expect(frames.map(({ payload }) => payload)).toEqual(payloads);
  });

  test('the file holds the caller’s bytes as they are, and so does a replay', async () => {
    using folder = temporaryFolder();
    const payloads = ['', ' { "tasks" :\r\n[ ] }\t', '{"a":1.0e2,"a":"\\u00e9","__proto__":{}}', 'é🐉\u0000'];
    const { journal } = await openJournal(folder.path);
    const appended: Seen[] = [];
    for (const payload of payloads) {
      appended.push({ ...(await append(journal, payload, '翻译')), type: '翻译', payload });
    }
    await journal.close();
    const file = readFileSync(join(folder.path, firstSegment));
    for (const payload of payloads) expect(file.includes(payload)).toBe(true);
    const frames = appended.map((frame) => encodeFrame({ ...frame, payload: Buffer.from(frame.payload) }));
    expect(file).toEqual(Buffer.concat(frames.flat()));
    expect((await openJournal(folder.path)).frames).toEqual(appended);
  });

  test('sequences rise by one and versions strictly increase, also when the clock stands still, goes back, and over restarts', async () => {
    using folder = temporaryFolder();
    const clock = new ManualClock();
    const positions: Position[] = [];
    const append3 = async (journal: Journal): Promise<void> => {
      for (const text of texts(3)) positions.push(await append(journal, text));
    };
    let opened = await openJournal(folder.path, { clock });
    await append3(opened.journal);
    clock.advance(10);
    await append3(opened.journal);
    expect(positions.at(-3)?.version).toBe(clock.nowMs() * 1000);
    clock.setNowMs(clock.nowMs() - 3_600_000);
    await append3(opened.journal);
    await opened.journal.close();

    opened = await openJournal(folder.path, { clock });
    await append3(opened.journal);
    await opened.journal.release(opened.journal.lastSequence);
    await opened.journal.close();

    // Of this journal only the checkpoint is left.
    for (const name of segmentsIn(folder.path)) rmSync(join(folder.path, name));
    opened = await openJournal(folder.path, { clock });
    await append3(opened.journal);
    await opened.journal.close();

    expect(positions.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 15 }, (_, index) => index + 1),
    );
    const versions = positions.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });
});

describe('segments', () => {
  test('a segment that has reached segmentBytesMax is followed by a new one, named after its first frame', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 90 });
    const appended = await appendAll(journal, texts(7));
    expect(segmentsIn(folder.path)).toHaveLength(4);
    await journal.close();
    expect(segmentsIn(folder.path)).toEqual(
      ['01', '03', '05', '07'].map((sequence) => `00000000000000${sequence}.journal`),
    );
    const sizes = segmentsIn(folder.path).map((name) => readFileSync(join(folder.path, name)).length);
    for (const bytes of sizes.slice(0, -1)) expect(bytes).toBeGreaterThanOrEqual(90);
    expect(sizes.reduce((sum, bytes) => sum + bytes)).toBe(journal.bytes);
    expect((await openJournal(folder.path)).frames).toEqual(appended);
  });

  test('a new segment’s name is durable before the first frame in it is accepted', async () => {
    using folder = temporaryFolder();
    await using syncs = await recordSyncs();
    const parts = { files: systemFiles, clock: new ManualClock(), logger: silentLogger };
    const options: JournalOptions = {
      folder: folder.path,
      sync: 'always',
      syncIntervalMs: 100,
      segmentBytesMax: 1,
      bytesMax: 10_000,
    };
    const { journal } = await Journal.open(options, parts, () => {});
    syncs.calls.splice(0);
    for (const text of texts(2)) {
      await append(journal, text);
      syncs.calls.push('acked');
    }
    const folderName = basename(folder.path);
    expect(syncs.calls).toEqual([
      `sync ${folderName}`,
      `datasync ${firstSegment}`,
      'acked',
      `sync ${folderName}`,
      'datasync 0000000000000002.journal',
      'acked',
    ]);
    syncs.calls.splice(0);
    await journal.release(1);
    expect(syncs.calls).toEqual(['datasync checkpoint', `sync ${folderName}`]);
    await journal.close();
  });

  test('the names of the folders that hold it are durable too', async () => {
    using folder = temporaryFolder();
    await using syncs = await recordSyncs();
    await systemFiles.makeFolder(join(folder.path, 'data', 'journal'));
    expect(syncs.calls).toEqual([
      `sync ${basename(dirname(folder.path))}`,
      `sync ${basename(folder.path)}`,
      'sync data',
    ]);
    // Whoever made it may have died before it came to that.
    syncs.calls.splice(0);
    await systemFiles.makeFolder(join(folder.path, 'data', 'journal'));
    expect(syncs.calls).toEqual(['sync data']);
  });

  test('a file whose name cannot be made durable is closed again', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'file');
    {
      await using syncs = await recordSyncs();
      syncs.outcome = 'failed';
      await expect(systemFiles.createAppendFile(path)).rejects.toThrow('injected');
    }
    const open = readdirSync('/proc/self/fd').map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        return '';
      }
    });
    expect(open).not.toContain(path);
  });

  test.each(['interval', 'off'] as const)(
    'with sync: %s a full segment is synced before the next one begins',
    async (sync) => {
      using folder = temporaryFolder();
      const { journal, files } = await openJournal(folder.path, { sync, segmentBytesMax: 1 });
      await appendAll(journal, texts(2));
      const synced = files.calls.indexOf(`sync ${firstSegment} done`);
      expect(synced).toBeGreaterThan(files.calls.indexOf(`append ${firstSegment} done`));
      expect(synced).toBeLessThan(files.calls.indexOf('create 0000000000000002.journal'));
      await journal.close();
    },
  );

  test('a journal that was opened again leaves the old segments as they are', async () => {
    using folder = temporaryFolder();
    const before = await writeJournal(folder.path, texts(2));
    const bytes = readFileSync(join(folder.path, firstSegment));
    const { journal } = await openJournal(folder.path);
    const appended = await appendAll(journal, ['later']);
    await journal.close();
    expect(readFileSync(join(folder.path, firstSegment))).toEqual(bytes);
    expect((await openJournal(folder.path)).frames).toEqual([...before.frames, ...appended]);
  });

  test('a segment that was put back twice is replayed once, and other files are left alone', async () => {
    using folder = temporaryFolder();
    const { frames } = await writeJournal(folder.path, texts(3));
    cpSync(join(folder.path, firstSegment), join(folder.path, '0000000000000002.journal'));
    writeFileSync(join(folder.path, 'notes.journal'), 'of an operator');
    const opened = await openJournal(folder.path);
    expect(opened.frames).toEqual(frames);
    expect(opened.report).toMatchObject({ frames: 3, damagedRanges: 0, lostFrames: 0 });
    expect(readFileSync(join(folder.path, 'notes.journal'), 'utf8')).toBe('of an operator');
  });
});

describe('releasing', () => {
  /** Five segments of one frame each. */
  async function fiveSegments(folder: string, files = new FaultyFiles()) {
    const opened = await openJournal(folder, { files, segmentBytesMax: 1 });
    const appended = await appendAll(opened.journal, texts(5));
    files.calls.splice(0);
    return { ...opened, appended };
  }

  test('writes the checkpoint before it deletes segments, and makes the deletion durable', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await fiveSegments(folder.path);
    await journal.release(2);
    const name = basename(folder.path);
    expect(files.calls).toEqual([
      'overwrite checkpoint',
      'overwrite checkpoint done',
      `remove ${firstSegment}`,
      `remove ${firstSegment} done`,
      'remove 0000000000000002.journal',
      'remove 0000000000000002.journal done',
      `syncFolder ${name}`,
      `syncFolder ${name} done`,
    ]);
    expect(journal.checkpoint).toBe(2);
    await journal.close();
  });

  test('deletes nothing when the checkpoint cannot be written, and works the next time', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await fiveSegments(folder.path);
    const error = files.fail('overwrite');
    await expect(journal.release(2)).rejects.toBe(error);
    expect(segmentsIn(folder.path)).toHaveLength(5);
    expect(journal.checkpoint).toBe(0);
    await journal.release(2);
    expect(segmentsIn(folder.path)).toHaveLength(3);
    await journal.close();
  });

  test('deletes whole segments only, and never the one being written', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 90 });
    await appendAll(journal, texts(9));
    const left = async (sequence: number): Promise<number[]> => {
      await journal.release(sequence);
      return segmentsIn(folder.path).map((name) => Number.parseInt(name, 10));
    };
    expect(await left(1)).toEqual([1, 3, 5, 7, 9]);
    expect(await left(2)).toEqual([3, 5, 7, 9]);
    expect(await left(3)).toEqual([3, 5, 7, 9]);
    expect(await left(7)).toEqual([7, 9]);
    expect(await left(9)).toEqual([9]);
    await append(journal, 'still accepted');
    await journal.close();
    expect((await openJournal(folder.path)).frames.map(({ payload }) => payload)).toEqual(['still accepted']);
  });

  test('up to where it was released before does nothing', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await fiveSegments(folder.path);
    await journal.release(3);
    files.calls.splice(0);
    await journal.release(3);
    await journal.release(1);
    expect(files.calls).toEqual([]);
    expect(journal.checkpoint).toBe(3);
    await expect(journal.release(6)).rejects.toThrow('Invariant broken');
    await journal.close();
  });

  test('a restart replays exactly the frames behind the checkpoint, in order, wherever it lies', async () => {
    for (let checkpoint = 0; checkpoint <= 7; checkpoint += 1) {
      using folder = temporaryFolder();
      const { journal } = await openJournal(folder.path, { segmentBytesMax: 90 });
      const appended = await appendAll(journal, texts(7));
      await journal.release(checkpoint);
      await journal.close();
      const { frames, report, journal: reopened } = await openJournal(folder.path);
      expect(frames).toEqual(appended.slice(checkpoint));
      expect(report).toMatchObject({ frames: 7 - checkpoint, damagedRanges: 0, lostFrames: 0 });
      expect(reopened).toMatchObject({ checkpoint, lastSequence: 7 });
    }
  });

  test('segments that a crash kept from being deleted are deleted at the next start, and not replayed', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await fiveSegments(folder.path);
    files.fail('remove');
    await expect(journal.release(4)).rejects.toThrow('injected');
    expect(journal.checkpoint).toBe(4);
    await journal.close();
    expect(segmentsIn(folder.path)).toHaveLength(5);
    const { frames } = await openJournal(folder.path);
    expect(frames.map(({ sequence }) => sequence)).toEqual([5]);
    expect(segmentsIn(folder.path)).toEqual(['0000000000000005.journal']);
  });

  test('a release while frames are being written keeps them', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await fiveSegments(folder.path);
    for (const step of ['create', 'append', 'sync'] as const) {
      const gate = files.hold(step);
      const appended = append(journal, `while ${step}`);
      await gate.reached;
      await journal.release(journal.lastSequence - 1);
      gate.open();
      await appended;
    }
    await journal.close();
    expect((await openJournal(folder.path)).frames.map(({ payload }) => payload)).toEqual(['while sync']);
  });
});

describe('a damaged journal', () => {
  test('cut at any byte of its last frame: it starts, keeps every earlier frame, cuts the rest off and keeps it aside', async () => {
    using folder = temporaryFolder();
    const { frames, ends } = await writeJournal(folder.path, ['one', 'two', 'three']);
    const bytes = readFileSync(join(folder.path, firstSegment));
    const [, start = 0, end = 0] = ends;
    await forEachAtOnce(end - start - 1, async (index) => {
      using copy = temporaryFolder();
      const torn = bytes.subarray(0, start + 1 + index);
      writeFileSync(join(copy.path, firstSegment), torn);
      const opened = await openJournal(copy.path);
      expect(opened.frames).toEqual(frames.slice(0, 2));
      expect(opened.report).toMatchObject({
        frames: 2,
        damagedRanges: 1,
        damagedBytes: index + 1,
        lostFrames: 0,
        tornTail: true,
      });
      expect(readFileSync(join(copy.path, firstSegment))).toEqual(bytes.subarray(0, start));
      expect(keptAside(copy.path)).toEqual([torn.subarray(start)]);

      const later = await appendAll(opened.journal, ['later']);
      expect(later[0]?.sequence).toBe(3);
      await opened.journal.close();
      const again = await openJournal(copy.path);
      expect(again.frames).toEqual([...frames.slice(0, 2), ...later]);
      expect(again.report).toMatchObject({ damagedRanges: 0, lostFrames: 0, tornTail: false });
    });
  });

  test('of which only a torn first frame exists accepts again', async () => {
    using folder = temporaryFolder();
    await writeJournal(folder.path, ['one']);
    const path = join(folder.path, firstSegment);
    writeFileSync(path, readFileSync(path).subarray(0, 20));
    const { journal, report } = await openJournal(folder.path);
    expect(report).toMatchObject({ frames: 0, tornTail: true });
    const appended = await appendAll(journal, ['again']);
    await journal.close();
    expect((await openJournal(folder.path)).frames).toEqual(appended);
  });

  test.each([
    ['byte', 8],
    ['bit', 1],
  ] as const)(
    'with any single %s flipped: it starts, yields every undamaged frame and no other, and counts what is missing',
    async (_, bits) => {
      using folder = temporaryFolder();
      const payloads = bits === 1 ? ['a', 'b', 'c'] : ['{"tasks":[1]}', '', '{"tasks":[2]}', '{"tasks":[3]}'];
      const { frames, ends } = await writeJournal(folder.path, payloads, 1);
      const bytes = readFileSync(join(folder.path, firstSegment));
      const checkpoint = readFileSync(join(folder.path, 'checkpoint'));
      await using syncs = await recordSyncs();
      syncs.outcome = 'skipped';
      await forEachAtOnce((bytes.length * 8) / bits, async (index) => {
        using copy = temporaryFolder();
        const at = Math.floor((index * bits) / 8);
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ (bits === 8 ? 0xff : 1 << (index & 7));
        writeFileSync(join(copy.path, firstSegment), damaged);
        writeFileSync(join(copy.path, 'checkpoint'), checkpoint);

        const hit = ends.findIndex((end) => at < end);
        const isLast = hit === ends.length - 1;
        const opened = await openJournal(copy.path);
        expect(opened.frames).toEqual(frames.filter((_frame, number) => number > 0 && number !== hit));
        expect(opened.report).toMatchObject({
          damagedRanges: 1,
          damagedBytes: (ends[hit] ?? 0) - (ends[hit - 1] ?? 0),
          // The first frame is behind the checkpoint; a damaged last one cannot be told from a torn write.
          lostFrames: hit === 0 || isLast ? 0 : 1,
          tornTail: isLast,
        });
        expect(keptAside(copy.path)).toEqual([damaged.subarray(ends[hit - 1] ?? 0, ends[hit])]);
      });
    },
  );

  test('whose first frame is damaged counts it as lost, also when there is no checkpoint', async () => {
    using folder = temporaryFolder();
    const { frames } = await writeJournal(folder.path, texts(3));
    flipByte(join(folder.path, firstSegment), 40);
    const opened = await openJournal(folder.path);
    expect(opened.frames).toEqual(frames.slice(1));
    expect(opened.report).toMatchObject({ damagedRanges: 1, lostFrames: 1, tornTail: false });
  });

  test('whose older segment ends in damage keeps that segment whole and replays the later ones', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 90 });
    const appended = await appendAll(journal, texts(6));
    await journal.close();
    const path = join(folder.path, '0000000000000003.journal');
    flipByte(path, readFileSync(path).length - 1);
    const bytes = readFileSync(path);
    const opened = await openJournal(folder.path);
    expect(opened.frames).toEqual(appended.filter(({ sequence }) => sequence !== 4));
    expect(opened.report).toMatchObject({ damagedRanges: 1, lostFrames: 1, tornTail: false });
    expect(readFileSync(path)).toEqual(bytes);
    expect(keptAside(folder.path)).toHaveLength(1);
  });

  test('that lost a segment replays the others and counts what is missing', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 90 });
    const appended = await appendAll(journal, texts(6));
    await journal.close();
    rmSync(join(folder.path, '0000000000000003.journal'));
    const opened = await openJournal(folder.path);
    expect(opened.frames).toEqual(appended.filter(({ sequence }) => sequence < 3 || sequence > 4));
    expect(opened.report).toMatchObject({ damagedRanges: 0, lostFrames: 2 });
  });

  test('in several places loses those frames only', async () => {
    using folder = temporaryFolder();
    const { frames, ends } = await writeJournal(folder.path, texts(9));
    const path = join(folder.path, firstSegment);
    // In the second, fifth, sixth and ninth frame.
    for (const number of [1, 4, 5, 8]) flipByte(path, (ends[number] ?? 0) - 1);
    const opened = await openJournal(folder.path);
    expect(opened.frames.map(({ sequence }) => sequence)).toEqual([1, 3, 4, 7, 8]);
    expect(opened.frames).toEqual(frames.filter(({ sequence }) => [1, 3, 4, 7, 8].includes(sequence)));
    expect(opened.report).toMatchObject({ damagedRanges: 3, lostFrames: 3, tornTail: true });
    expect(keptAside(folder.path)).toHaveLength(3);
  });

  test('in whatever way: it starts and yields frames that were written, in order, and no other', async () => {
    using folder = temporaryFolder();
    const { frames } = await writeJournal(folder.path, texts(6), 1);
    const written = readFileSync(join(folder.path, firstSegment));
    const checkpoint = readFileSync(join(folder.path, 'checkpoint'));
    const place = fc.nat({ max: written.length });
    const harm = fc.oneof(
      fc.record({ cut: place, count: fc.nat({ max: 80 }) }),
      fc.record({ insert: place, bytes: fc.uint8Array({ maxLength: 80 }) }),
      fc.record({ copy: place, count: fc.nat({ max: 150 }), to: place }),
      fc.record({ zero: place, count: fc.nat({ max: 80 }) }),
    );
    await using syncs = await recordSyncs();
    syncs.outcome = 'skipped';
    await fc.assert(
      fc.asyncProperty(fc.array(harm, { minLength: 1, maxLength: 4 }), async (harms) => {
        using copy = temporaryFolder();
        let bytes: Buffer = written;
        for (const next of harms) {
          if ('cut' in next) bytes = replaced(bytes, next.cut, next.count, Buffer.alloc(0));
          else if ('insert' in next) bytes = replaced(bytes, next.insert, 0, next.bytes);
          else if ('zero' in next) bytes = replaced(bytes, next.zero, next.count, Buffer.alloc(next.count));
          else bytes = replaced(bytes, next.to, 0, bytes.subarray(next.copy, next.copy + next.count));
        }
        writeFileSync(join(copy.path, firstSegment), bytes);
        writeFileSync(join(copy.path, 'checkpoint'), checkpoint);
        const opened = await openJournal(copy.path);
        const yielded = opened.frames.map(({ sequence }) => sequence);
        expect(opened.frames).toEqual(frames.filter(({ sequence }) => yielded.includes(sequence)));
        expect(yielded).not.toContain(1);
        const later = await appendAll(opened.journal, ['later']);
        await opened.journal.close();
        expect((await openJournal(copy.path)).frames).toEqual([...opened.frames, ...later]);
      }),
    );
  });

  test('keeps aside what it cuts off, durably, before it cuts', async () => {
    using folder = temporaryFolder();
    await writeJournal(folder.path, texts(2));
    flipByte(join(folder.path, firstSegment), readFileSync(join(folder.path, firstSegment)).length - 1);
    await using syncs = await recordSyncs();
    const files = new FaultyFiles();
    await openJournal(folder.path, { files });
    expect(files.calls).toEqual([
      `replace ${firstSegment}-46`,
      `replace ${firstSegment}-46 done`,
      `truncate ${firstSegment}`,
      `truncate ${firstSegment} done`,
    ]);
    expect(syncs.calls.slice(-3)).toEqual([
      `sync ${firstSegment}-46.tmp`,
      'sync damaged',
      `sync ${firstSegment}`,
    ]);
  });

  test('whose last two segments hold nothing readable accepts again', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 1 });
    const appended = await appendAll(journal, texts(3));
    await journal.close();
    for (const name of segmentsIn(folder.path).slice(1)) flipByte(join(folder.path, name), 0);
    const opened = await openJournal(folder.path);
    expect(opened.frames).toEqual(appended.slice(0, 1));
    const later = await appendAll(opened.journal, ['later']);
    await opened.journal.close();
    expect((await openJournal(folder.path)).frames).toEqual([...appended.slice(0, 1), ...later]);
  });

  test('starts on a full disk too: what cannot be kept aside is not cut off', async () => {
    using folder = temporaryFolder();
    const { frames } = await writeJournal(folder.path, texts(3));
    const path = join(folder.path, firstSegment);
    flipByte(path, readFileSync(path).length - 1);
    const bytes = readFileSync(path);
    const files = new FaultyFiles();
    files.fail('replace', { code: 'ENOSPC' });
    const opened = await openJournal(folder.path, { files });
    expect(opened.frames).toEqual(frames.slice(0, 2));
    expect(readFileSync(path)).toEqual(bytes);
    const later = await appendAll(opened.journal, ['later']);
    await opened.journal.close();
    expect((await openJournal(folder.path)).frames).toEqual([...frames.slice(0, 2), ...later]);
  });

  test('is never deleted, even if nothing of it is needed, as long as it could not be kept aside', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 1 });
    await appendAll(journal, texts(3));
    await journal.release(2);
    await journal.close();
    const path = join(folder.path, '0000000000000003.journal');
    flipByte(path, 0);
    const files = new FaultyFiles();
    files.fail('replace', { code: 'ENOSPC' });
    const opened = await openJournal(folder.path, { files });
    expect(existsSync(path)).toBe(true);
    const later = await appendAll(opened.journal, ['later']);
    await opened.journal.close();
    expect((await openJournal(folder.path)).frames).toEqual(later);
    expect(keptAside(folder.path)).toHaveLength(1);
  });

  test('replays everything when its checkpoint is missing, empty or unreadable', async () => {
    using folder = temporaryFolder();
    const { frames } = await writeJournal(folder.path, texts(3), 2);
    const path = join(folder.path, 'checkpoint');
    for (const rest of ['', readFileSync(path).subarray(0, 8), 'nonsense']) {
      writeFileSync(path, rest);
      expect((await openJournal(folder.path)).frames).toEqual(frames);
    }
    rmSync(path);
    const { frames: all, journal } = await openJournal(folder.path);
    expect(all).toEqual(frames);
    const [later] = await appendAll(journal, ['later']);
    expect(later?.sequence).toBe(4);
    expect(later?.version).toBeGreaterThan(frames[2]?.version ?? 0);
    await journal.close();
  });
});

describe('a full journal', () => {
  test('refuses what does not fit with JOURNAL_FULL and accepts it once storage has caught up', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 250, bytesMax: 1000 });
    const payload = 'x'.repeat(200);
    let accepted = 0;
    while (journal.refusal(payload.length) === undefined) {
      await append(journal, payload);
      accepted += 1;
    }
    expect(journal.bytes).toBeLessThanOrEqual(1000 + 50);
    await expect(journal.append('tasks', Buffer.from(payload))).rejects.toMatchObject({
      code: 'JOURNAL_FULL',
      details: { retryAfterSeconds: expect.any(Number) },
    });
    expect(journal.lastSequence).toBe(accepted);
    await journal.release(2);
    expect((await append(journal, payload)).sequence).toBe(accepted + 1);
    await journal.close();
    expect((await openJournal(folder.path)).report).toMatchObject({ frames: accepted - 1, lostFrames: 0 });
  });

  test('counts what waits to be written, so that no burst exceeds the limit', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { bytesMax: 1000 });
    const codes = await Promise.all(texts(20).map(() => codeOf(append(journal, 'x'.repeat(100)))));
    expect(codes).toEqual([...Array(10).fill('accepted'), ...Array(10).fill('JOURNAL_FULL')]);
    await journal.close();
  });

  test('accepts again after everything was stored, even if one group had filled it', async () => {
    using folder = temporaryFolder();
    const { journal } = await openJournal(folder.path, { segmentBytesMax: 250, bytesMax: 1000 });
    const payload = 'x'.repeat(90);
    const group = Array.from({ length: 11 }, () => append(journal, payload));
    await Promise.all(group);
    expect(await codeOf(append(journal, payload))).toBe('JOURNAL_FULL');
    await journal.release(journal.lastSequence);
    expect(await codeOf(append(journal, payload))).toBe('accepted');
    await journal.close();
    expect((await openJournal(folder.path)).frames.map(({ sequence }) => sequence)).toEqual([12]);
  });
});

describe('a journal whose disk fails', () => {
  test.each(['append', 'sync', 'create'] as const)(
    'at %s rejects every waiting append and all later ones with JOURNAL_FAILED, and syncs never again',
    async (operation) => {
      using folder = temporaryFolder();
      const files = new FaultyFiles();
      const { journal } = await openJournal(folder.path, {
        files,
        segmentBytesMax: operation === 'create' ? 1 : 1000,
      });
      await append(journal, 'accepted');
      const error = files.fail(operation);
      const gate = files.hold(operation);
      const firstGroup = ['a', 'b'].map((payload) => append(journal, payload));
      await gate.reached;
      const nextGroup = ['c', 'd'].map((payload) => append(journal, payload));
      gate.open();
      const codes = await Promise.all([...firstGroup, ...nextGroup].map(codeOf));
      expect(codes).toEqual(Array(4).fill('JOURNAL_FAILED'));
      const syncs = files.count('sync');
      expect(journal.mode).toBe('failed');
      await expect(journal.append('tasks', Buffer.from('later'))).rejects.toMatchObject({
        code: 'JOURNAL_FAILED',
        cause: error,
      });
      await journal.close();
      expect(files.count('sync')).toBe(syncs);
      expect(await codeOf(append(journal, 'after the end'))).toBe('NOT_ACCEPTING');

      const reopened = await openJournal(folder.path);
      expect(reopened.frames[0]).toMatchObject({ sequence: 1, payload: 'accepted' });
      expect((await appendAll(reopened.journal, ['again'])).length).toBe(1);
      await reopened.journal.close();
    },
  );

  test('in the middle of a write cuts off what that left, or the next start does', async () => {
    for (const isCut of [true, false]) {
      using folder = temporaryFolder();
      const files = new FaultyFiles();
      const { journal } = await openJournal(folder.path, { files });
      const appended = await appendAll(journal, ['accepted']);
      files.fail('append', { bytesWritten: 21, code: 'ENOSPC' });
      if (!isCut) files.fail('truncate');
      expect(await codeOf(append(journal, 'refused'))).toBe('JOURNAL_FAILED');
      await journal.close();
      const { frames, report } = await openJournal(folder.path);
      expect(frames).toEqual(appended);
      expect(report).toMatchObject({ tornTail: !isCut, damagedBytes: isCut ? 0 : 21, lostFrames: 0 });
    }
  });

  test('can still be released', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path, { segmentBytesMax: 1 });
    await appendAll(journal, texts(3));
    files.fail('sync');
    expect(await codeOf(append(journal, 'refused'))).toBe('JOURNAL_FAILED');
    await journal.release(2);
    expect(journal.checkpoint).toBe(2);
    expect(existsSync(join(folder.path, firstSegment))).toBe(false);
    await journal.close();
  });

  test('while it closes is not synced a second time', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path);
    await append(journal, 'accepted');
    const gate = files.hold('sync');
    files.fail('sync');
    const waiting = codeOf(append(journal, 'waiting'));
    await gate.reached;
    const syncs = files.count('sync');
    const closed = journal.close();
    gate.open();
    expect(await waiting).not.toBe('accepted');
    await closed;
    expect(files.count('sync')).toBe(syncs);
  });
});

describe('sync: interval', () => {
  const interval = { sync: 'interval', syncIntervalMs: 100 } as const;

  test('acknowledges at once and syncs at most once an interval, only if something was written', async () => {
    using folder = temporaryFolder();
    const { journal, files, clock } = await openJournal(folder.path, interval);
    await appendAll(journal, texts(5));
    expect(files.count('sync')).toBe(0);
    clock.advance(99);
    expect(files.count('sync')).toBe(0);
    clock.advance(1);
    await waitUntil('it is synced', () => files.calls.includes(`sync ${firstSegment} done`));
    clock.advance(1000);
    expect(files.count('sync')).toBe(1);
    await append(journal, 'later');
    clock.advance(100);
    await waitUntil('it is synced again', () => files.count('sync') === 2);
    await append(journal, 'last');
    await journal.close();
    expect(files.count('sync')).toBe(3);
    expect(clock.dueInMs).toEqual([]);
  });

  test('goes on syncing in the segments that follow', async () => {
    using folder = temporaryFolder();
    const { journal, files, clock } = await openJournal(folder.path, { ...interval, segmentBytesMax: 90 });
    await appendAll(journal, texts(3));
    expect(segmentsIn(folder.path)).toHaveLength(2);
    clock.advance(100);
    await waitUntil(
      'the second segment is synced',
      () => files.calls.includes('sync 0000000000000003.journal done'),
      1000,
    );
    await journal.close();
  });

  test('what is written while a sync runs is synced before the file is closed', async () => {
    using folder = temporaryFolder();
    const { journal, files, clock } = await openJournal(folder.path, interval);
    await append(journal, 'one');
    const gate = files.hold('sync');
    clock.advance(100);
    await gate.reached;
    await append(journal, 'two');
    gate.open();
    await waitUntil('the first sync is done', () => files.calls.at(-1) === `sync ${firstSegment} done`);
    await journal.close();
    const written = files.calls.lastIndexOf(`append ${firstSegment} done`);
    expect(files.calls.indexOf(`sync ${firstSegment}`, written)).toBeGreaterThan(written);
  });

  test('a sync that fails ends acceptance and is not repeated', async () => {
    using folder = temporaryFolder();
    const { journal, files, clock } = await openJournal(folder.path, interval);
    await append(journal, 'one');
    const gate = files.hold('sync');
    files.fail('sync');
    clock.advance(100);
    await gate.reached;
    await append(journal, 'while it syncs');
    gate.open();
    await waitUntil('the journal has failed', () => journal.mode === 'failed');
    expect(await codeOf(append(journal, 'two'))).toBe('JOURNAL_FAILED');
    clock.advance(1000);
    await journal.close();
    expect(files.count('sync')).toBe(1);
  });
});

test.each(['interval', 'off'] as const)(
  'with sync: %s a failed write ends syncing too, also at the close',
  async (sync) => {
    using folder = temporaryFolder();
    const { journal, files, clock } = await openJournal(folder.path, { sync });
    await append(journal, 'one');
    files.fail('append');
    expect(await codeOf(append(journal, 'two'))).toBe('JOURNAL_FAILED');
    clock.advance(1000);
    await journal.close();
    expect(files.count('sync')).toBe(0);
  },
);

test('sync: off never syncs while it runs, and once when it closes', async () => {
  using folder = temporaryFolder();
  const { journal, files, clock } = await openJournal(folder.path, { sync: 'off' });
  await appendAll(journal, texts(5));
  clock.advance(3_600_000);
  expect(files.count('sync')).toBe(0);
  expect(clock.delaysMs).toEqual([]);
  await journal.close();
  expect(files.calls.slice(-4)).toEqual([
    `sync ${firstSegment}`,
    `sync ${firstSegment} done`,
    `close ${firstSegment}`,
    `close ${firstSegment} done`,
  ]);
});

describe('closing', () => {
  test('finishes the appends that wait, refuses later ones, and closes the file last', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(folder.path);
    const gate = files.hold('append');
    const waiting = [append(journal, 'one')];
    await gate.reached;
    waiting.push(append(journal, 'two'));
    const closed = journal.close();
    expect(await codeOf(append(journal, 'late'))).toBe('NOT_ACCEPTING');
    gate.open();
    const positions = await Promise.all(waiting);
    await closed;
    expect(positions.map(({ sequence }) => sequence)).toEqual([1, 2]);
    expect(files.calls.at(-1)).toBe(`close ${firstSegment} done`);
    expect((await openJournal(folder.path)).frames.map(({ payload }) => payload)).toEqual(['one', 'two']);
  });

  test('twice is the same as once, and a journal that was never written has no segment', async () => {
    using folder = temporaryFolder();
    const { journal, files } = await openJournal(join(folder.path, 'new', 'journal'));
    await journal.close();
    await journal.close();
    expect(files.calls).toEqual(['replace checkpoint', 'replace checkpoint done']);
    expect(journal.mode).toBe('closed');
  });
});

function replaced(bytes: Buffer, at: number, count: number, by: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + count)]);
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

/** Runs a check for 0, 1, … count − 1, several at a time: each waits for the disk most of its time. */
async function forEachAtOnce(count: number, check: (index: number) => Promise<void>): Promise<void> {
  expect(count).toBeGreaterThan(0);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await check(index);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

interface SyncRecord extends AsyncDisposable {
  calls: string[];
  /** What comes of each sync; `skipped` is for tests that open thousands of journals and ask nothing of the disk. */
  outcome: 'done' | 'failed' | 'skipped';
}

/** Records each sync of a file or folder, by its name. */
async function recordSyncs(): Promise<SyncRecord> {
  const handle = await openFile('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const spies: { mockRestore(): void }[] = [];
  const record: SyncRecord = {
    calls: [],
    outcome: 'done',
    [Symbol.asyncDispose]: async () => {
      for (const spy of spies) spy.mockRestore();
    },
  };
  for (const method of ['sync', 'datasync'] as const) {
    const original = prototype[method];
    const spy = spyOn(prototype, method).mockImplementation(async function (this: FileHandle) {
      record.calls.push(`${method} ${basename(readlinkSync(`/proc/self/fd/${this.fd}`))}`);
      if (record.outcome === 'failed') throw new Error('injected fault of a sync');
      if (record.outcome === 'done') await original.call(this);
    });
    spies.push(spy);
  }
  return record;
}
