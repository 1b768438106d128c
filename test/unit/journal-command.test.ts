import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Frame } from '../../src/journal/frame.ts';
import { Journal } from '../../src/journal/journal.ts';
import { systemFiles } from '../../src/platform/durable-files.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { Api } from '../support/api.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession, aTask } from '../support/records.ts';
import { runProgram } from '../support/run-program.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

const run = (...args: string[]) => runProgram(['journal', ...args, '--data-dir', folder.path]);

const pathOf = (name: string): string => join(folder.path, 'journal', name);
const [firstSegment, secondSegment, thirdSegment] = [1, 4, 7].map(
  (sequence) => `000000000000000${sequence}.journal`,
) as [string, string, string];

async function openJournal(visit: (frame: Frame) => void = () => {}) {
  return await Journal.open(
    {
      folder: join(folder.path, 'journal'),
      sync: 'always',
      syncIntervalMs: 100,
      segmentBytesMax: 250,
      bytesMax: 1e6,
    },
    { files: systemFiles, clock: new ManualClock(), logger: silentLogger },
    visit,
  );
}

/** Three segments, of three, three and one frame; storage has the first one of them. */
async function writeJournal(): Promise<void> {
  const { journal } = await openJournal();
  for (let number = 1; number <= 7; number += 1) {
    const [type, body] =
      number % 3 === 1
        ? ['translation_sessions', `{"sessions":[{"session_id":"session${number}"}]}`]
        : ['translation_tasks', `{"tasks":[{"task_id":"task_${number}a"},{"task_id":"b"}]}`];
    await journal.append(type ?? '', Buffer.from(body ?? ''));
  }
  await journal.release(1);
  await journal.close();
}

function flipByte(name: string, at: number): void {
  const bytes = readFileSync(pathOf(name));
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(pathOf(name), bytes);
}

/** Every file below the data folder, with what is in it and when it was changed. */
const filesNow = () =>
  readdirSync(folder.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
    .map((path) => ({
      path,
      changedMs: statSync(path).mtimeMs,
      bytes: readFileSync(path).toString('latin1'),
    }));

async function sequencesReplayed(): Promise<number[]> {
  const sequences: number[] = [];
  const { journal } = await openJournal(({ sequence }) => sequences.push(sequence));
  await journal.close();
  return sequences;
}

describe('while the service runs', () => {
  test('inspect and verify read its journal and leave it alone, and repair refuses', async () => {
    const noDatabase = 'mysql://nobody@127.0.0.1:1/none';
    await using service = await startServiceProcess({ dataDir: folder.path, databaseUrl: noDatabase });
    const api = new Api(service.url);
    const session = aSession();
    await api.sessions([session]);
    await api.tasks([aTask(session.session_id), aTask(session.session_id)]);
    const before = filesNow();

    const [inspected, frames, text, verified] = await Promise.all([
      run('inspect', '--json'),
      run('inspect', '--json', '--frames'),
      run('inspect', '--frames'),
      run('verify'),
    ]);
    const total = { frames: 2, records: 3 };
    expect(inspected.code).toBe(0);
    expect(JSON.parse(inspected.out)).toMatchObject({
      folder: join(folder.path, 'journal'),
      checkpoint: { sequence: 0, damaged: false },
      segments: [{ file: firstSegment, frames: 2, first_sequence: 1, last_sequence: 2, damage: [] }],
      types: {
        translation_sessions: { frames: 1, records: 1 },
        translation_tasks: { frames: 1, records: 2 },
      },
      before_checkpoint: { frames: 0, records: 0, bytes: 0 },
      behind_checkpoint: { ...total, oldest_accepted_at: expect.stringMatching(/^\d{4}-.+Z$/) },
      lost_frames: 0,
    });
    const [first, second, summary] = frames.out.trim().split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({ sequence: 1, type: 'translation_sessions', records: 1 });
    expect(JSON.parse(second ?? '')).toMatchObject({ sequence: 2, type: 'translation_tasks', records: 2 });
    expect(`${summary}\n`).toBe(inspected.out);
    expect(text.out).toMatch(/^ +2 .+Z +translation_tasks +\d+ +2$/m);
    expect(verified).toMatchObject({
      code: 0,
      out: expect.stringContaining('is sound: 1 segment, 2 frames'),
    });

    const repaired = await run('repair');
    expect(repaired).toMatchObject({ code: 1, out: '' });
    expect(repaired.errors).toContain(`process ${service.pid}`);
    expect(filesNow()).toEqual(before);
  });
});

describe('a sound journal', () => {
  test('is inspected, verified and repaired with nothing to say, and not changed', async () => {
    await writeJournal();
    const before = filesNow();
    const inspected = await run('inspect');
    expect(inspected).toMatchObject({ code: 0, errors: '' });
    for (const line of [
      /^0000000000000004\.journal +\d+ +3 {2}4 to 6, 2025-09-30T10:00:00Z to 2025-09-30T10:00:00Z$/m,
      /^translation_sessions: 3 frames, 3 records, \d+ bytes$/m,
      /^translation_tasks: 4 frames, 8 records, \d+ bytes$/m,
      /^Checkpoint: 1$/m,
      /^Before the checkpoint: 1 frame, 1 record, /m,
      /^Behind the checkpoint: 6 frames, 10 records, .*; the oldest was accepted at 2025-09-30T10:00:00Z$/m,
    ]) {
      expect(inspected.out).toMatch(line);
    }
    expect(await run('verify', '--json')).toMatchObject({
      code: 0,
      out: expect.stringContaining('"sound":true'),
    });
    expect(await run('repair')).toEqual({ code: 0, out: 'Nothing to repair\n', errors: '' });
    expect(filesNow().filter(({ path }) => !path.endsWith('lock'))).toEqual(before);
  });

  test('that is not there is an error, and is not made', async () => {
    for (const action of ['inspect', 'verify', 'repair']) {
      expect(await run(action)).toMatchObject({ code: 1, out: '', errors: expect.stringContaining(action) });
    }
    expect(filesNow()).toEqual([]);
  });

  test('of the quarantine is what --quarantine means', async () => {
    await using service = await startServiceProcess({ dataDir: folder.path });
    await service.kill('SIGTERM');
    const { journal } = await Journal.open(
      {
        folder: join(folder.path, 'quarantine'),
        sync: 'off',
        syncIntervalMs: 1,
        segmentBytesMax: 1e6,
        bytesMax: 1e6,
      },
      { files: systemFiles, clock: new ManualClock(), logger: silentLogger },
      () => {},
    );
    await journal.append('translation_tasks', Buffer.from('{"key":"a","reason":"too long","record":{}}'));
    await journal.append('audit', Buffer.from('{"entries":[{}]}'));
    await journal.close();
    const { out } = await run('inspect', '--quarantine', '--json', '--frames');
    const [kept, unknown, summary] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(kept).toMatchObject({ type: 'translation_tasks', records: 1 });
    expect(unknown).toMatchObject({ type: 'audit', records: null });
    expect(summary).toMatchObject({ folder: join(folder.path, 'quarantine'), segments: [{ frames: 2 }] });
  });
});

describe('a damaged journal', () => {
  const middle = `${secondSegment}: 98 bytes damaged at 92, 1 frame lost`;

  test('is described by verify, which ends with 3 and changes nothing', async () => {
    await writeJournal();
    flipByte(secondSegment, 100);
    rmSync(pathOf(thirdSegment));
    const before = filesNow();
    const [text, json] = await Promise.all([run('verify'), run('verify', '--json')]);
    expect(text).toMatchObject({ code: 3, errors: '' });
    expect(text.out).toStartWith(`${middle}\n`);
    expect(text.out).toContain('is damaged: 2 segments, 5 frames can be read, 1 frame lost');
    expect(json.code).toBe(3);
    expect(JSON.parse(json.out)).toMatchObject({
      sound: false,
      lost_frames: 1,
      torn_tail: false,
      damage: [{ file: secondSegment, offset: 92, length: 98, lost_frames: 1 }],
    });
    expect((await run('inspect')).out).toContain(`  ${middle}\n`);
    expect(filesNow()).toEqual(before);
  });

  test('names frames that are missing without a trace, and a checkpoint that cannot be read', async () => {
    await writeJournal();
    rmSync(pathOf(secondSegment));
    expect((await run('verify')).out).toStartWith(`${thirdSegment}: 3 frames missing before byte 0\n`);
    writeFileSync(pathOf('checkpoint'), 'nonsense');
    const { code, out } = await run('verify');
    expect(code).toBe(3);
    expect(out).toContain('checkpoint: damaged');
  });

  test('is mended by repair as by a start: copied aside, cut at its torn end, and nothing invented', async () => {
    await writeJournal();
    const torn = readFileSync(pathOf(thirdSegment)).subarray(0, 50);
    truncateSync(pathOf(thirdSegment), 50);
    flipByte(secondSegment, 100);
    const damaged = readFileSync(pathOf(secondSegment)).subarray(92, 190);
    const tail = `${thirdSegment}: 50 bytes damaged at 0, the end: a write that was cut short leaves this`;
    const before = filesNow();

    const dry = await run('repair', '--dry-run');
    expect(dry).toEqual({
      code: 3,
      errors: '',
      out: [
        `${middle}: would be copied to damaged/${secondSegment}-92`,
        `${tail}: would be copied to damaged/${thirdSegment}-0, and cut off`,
        '1 frame lost; nothing was changed\n',
      ].join('\n'),
    });
    expect(filesNow().filter(({ path }) => !path.endsWith('lock'))).toEqual(before);

    const repaired = await run('repair');
    expect(repaired.out).toBe(
      dry.out.replaceAll('would be copied', 'copied').replace('; nothing was changed', ''),
    );
    expect(repaired.code).toBe(3);
    expect(readFileSync(pathOf(`damaged/${secondSegment}-92`))).toEqual(damaged);
    expect(readFileSync(pathOf(`damaged/${thirdSegment}-0`))).toEqual(torn);
    expect(readFileSync(pathOf(thirdSegment))).toHaveLength(0);
    expect(await sequencesReplayed()).toEqual([2, 3, 4, 6]);
  });

  test('of which only the end was torn is sound after the repair', async () => {
    await writeJournal();
    truncateSync(pathOf(thirdSegment), 50);
    expect((await run('verify')).code).toBe(3);
    expect((await run('repair')).code).toBe(0);
    expect((await run('verify')).code).toBe(0);
    expect(await sequencesReplayed()).toEqual([2, 3, 4, 5, 6]);
  });

  test('of which only the checkpoint was damaged is sound after the repair', async () => {
    await writeJournal();
    writeFileSync(pathOf('checkpoint'), 'nonsense');
    expect((await run('verify')).code).toBe(3);
    expect(await run('repair')).toMatchObject({
      code: 0,
      out: 'checkpoint: damaged: written anew\n0 frames lost\n',
    });
    expect((await run('verify')).code).toBe(0);
    expect(await sequencesReplayed()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('that cannot be copied aside is not cut, and repair says so', async () => {
    await writeJournal();
    truncateSync(pathOf(thirdSegment), 50);
    writeFileSync(pathOf('damaged'), 'a file where the folder should be');
    const { code, out } = await run('repair');
    expect(code).toBe(3);
    expect(out).toContain('could not be copied, and stays as it is');
    expect(readFileSync(pathOf(thirdSegment))).toHaveLength(50);
  });
});
