import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Journal } from '../../src/journal/journal.ts';
import { surveyJournal } from '../../src/journal/survey.ts';
import { systemFiles } from '../../src/platform/durable-files.ts';
import { silentLogger } from '../../src/platform/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What a service does to its journal while somebody reads it must not look like damage. */

const folder = temporaryFolder();
const path = folder.path;
let journal: Journal;

beforeEach(async () => {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true });
  ({ journal } = await Journal.open(
    { folder: path, sync: 'off', syncIntervalMs: 100, segmentBytesMax: 100, bytesMax: 1_000_000 },
    { files: systemFiles, clock: new ManualClock(), logger: silentLogger },
    () => {},
  ));
  // Two segments of three frames, and one of two.
  for (const text of 'abcdefgh') await journal.append('tasks', Buffer.from(text));
});
afterEach(() => journal.close());

const lastSegment = '0000000000000007.journal';

/** The files as they are, but what is read of one of them is first given to `change`, with how often it was read. */
function filesWith(name: string, change: (bytes: Buffer, time: number) => Uint8Array | Promise<Uint8Array>) {
  let times = 0;
  return {
    list: systemFiles.list,
    async read(of: string) {
      if (basename(of) !== name) return await systemFiles.read(of);
      times += 1;
      return await change(readFileSync(of), times);
    },
  };
}

const sequencesIn = async (files: Parameters<typeof surveyJournal>[0]) => {
  const sequences: number[] = [];
  const survey = await surveyJournal(files, path, { onFrame: ({ sequence }) => sequences.push(sequence) });
  return { survey, sequences };
};

test('a frame that is being written is not damage, whether it is finished at the second look or not', async () => {
  for (const [secondLook, sequences] of [
    [76, [1, 2, 3, 4, 5, 6, 7, 8]],
    [75, [1, 2, 3, 4, 5, 6, 7]],
  ] as const) {
    const files = filesWith(lastSegment, (bytes, time) => bytes.subarray(0, time === 1 ? 20 : secondLook));
    expect(await sequencesIn(files)).toMatchObject({ survey: { damage: [] }, sequences });
  }
});

test('an end that is the same at the second look is damage', async () => {
  const files = filesWith(lastSegment, (bytes) => bytes.subarray(0, 75));
  const { survey } = await sequencesIn(files);
  expect(survey.damage).toEqual([{ segment: lastSegment, start: 38, end: 75, lostFrames: 0 }]);
  expect(survey.tornTail).toEqual(survey.damage[0]);
});

test('a segment that is released while the journal is read was not lost', async () => {
  let released = false;
  const files = filesWith('0000000000000001.journal', async (bytes) => {
    // The checkpoint has been read, and says nothing of this.
    await journal.release(6);
    released = true;
    return bytes;
  });
  const { survey, sequences } = await sequencesIn(files);
  expect({ released, damage: survey.damage, sequences }).toEqual({
    released: true,
    damage: [],
    sequences: [1, 2, 3, 7, 8],
  });
});

test('a segment that is released just after the checkpoint was read was not lost', async () => {
  await journal.release(1);
  const files = filesWith('checkpoint', async (bytes) => {
    await journal.release(6);
    return bytes;
  });
  const { survey, sequences } = await sequencesIn(files);
  expect({ released: survey.released, damage: survey.damage, sequences }).toEqual({
    released: 1,
    damage: [],
    sequences: [7, 8],
  });
});

test('every frame that is missing is counted once, at the damage that took it or where it should be', async () => {
  const damage = async (name: string, bytes: (bytes: Buffer) => Uint8Array) =>
    (await sequencesIn(filesWith(name, bytes))).survey.damage;
  const [first, second] = ['0000000000000001.journal', '0000000000000004.journal'];
  expect(await damage(first, (bytes) => bytes.fill(0, 38, 76))).toEqual([
    { segment: first, start: 38, end: 76, lostFrames: 1 },
  ]);
  // The last two frames of a segment that others follow.
  expect(await damage(second, (bytes) => bytes.fill(0, 38))).toEqual([
    { segment: second, start: 38, end: 114, lostFrames: 2 },
  ]);
  expect(await damage(second, (bytes) => bytes.subarray(0, 38))).toEqual([
    { segment: lastSegment, start: 0, end: 0, lostFrames: 2 },
  ]);
  expect(await damage(second, (bytes) => Buffer.concat([bytes.subarray(0, 38), bytes.subarray(76)]))).toEqual(
    [{ segment: second, start: 38, end: 38, lostFrames: 1 }],
  );
});

test('frames that storage has are not lost', async () => {
  await journal.release(2);
  const { survey } = await sequencesIn(filesWith('0000000000000001.journal', (bytes) => bytes.fill(0)));
  expect(survey.damage).toMatchObject([{ start: 0, end: 114, lostFrames: 1 }]);
});
