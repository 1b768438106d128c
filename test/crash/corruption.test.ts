import { beforeAll, describe, expect, test } from 'bun:test';
import { encodeFrame } from '../../src/journal/frame.ts';
import { firstSequenceOf } from '../../src/journal/segment.ts';
import { openJournalOn } from '../support/journal-ledger.ts';
import { inJournal, journalFolder, SimulatedDisk } from '../support/simulated-disk.ts';

/** Of the spaces that fill up the checkpoint, the short form tries one in so many. */
const paddingStep = process.env.TEST_LONG ? 1 : 97;
const paddingFrom = 80;
const slotBytes = 4096;

/** Written up to here, and released up to 4: the first segment that is left holds 4 to 6, the last one 10 and 11. */
const lastSequence = 11;
const checkpoint = 4;

/** The files of the undamaged journal. */
let files: Map<string, Buffer>;
let segments: string[];
let last: string;
/** The bytes of each frame, by sequence. */
const frames = new Map<number, Buffer>();

beforeAll(async () => {
  const disk = new SimulatedDisk();
  const { journal } = await openJournalOn(disk);
  for (let sequence = 1; sequence <= lastSequence; sequence += 1) {
    const [type, payload] = ['tasks', Buffer.from(`frame ${String(sequence).padStart(2, '0')}`)];
    const position = await journal.append(type, payload);
    frames.set(sequence, Buffer.concat(encodeFrame({ ...position, type, payload })));
  }
  await journal.release(2);
  await journal.release(checkpoint);
  await journal.close();
  files = disk.filesIn(journalFolder);
  segments = [...files.keys()].filter((name) => name.endsWith('.journal')).toSorted();
  last = segments.at(-1) ?? '';
  expect(segments.map(firstSequenceOf)).toEqual([4, 7, 10]);
});

const range = (end: number): number[] => [...Array(end).keys()];
const bytesOf = (name: string): Buffer => files.get(name) ?? Buffer.alloc(0);

/** The places of a file that are tried. */
function placesIn(name: string): number[] {
  const isPadding = (at: number): boolean => at % slotBytes >= paddingFrom && at % slotBytes < slotBytes - 2;
  return range(bytesOf(name).length).filter(
    (at) => name !== 'checkpoint' || !isPadding(at) || at % paddingStep === 0,
  );
}

/** Opens the journal with files changed, or deleted, and holds what it does against what is left. */
async function check(changes: Readonly<Record<string, Buffer | undefined>>): Promise<void> {
  const disk = new SimulatedDisk();
  await disk.files.makeFolder(journalFolder);
  const left = new Map(files);
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes === undefined) left.delete(name);
    else left.set(name, bytes);
  }
  for (const [name, bytes] of left) disk.put(inJournal(name), bytes);
  const whole = Buffer.concat([...left.values()]);

  const { journal, visited, report } = await openJournalOn(disk);
  // Without a readable checkpoint, what no segment holds is taken for released.
  const released = 'checkpoint' in changes ? journal.checkpoint : checkpoint;
  expect(released === checkpoint || released === 3).toBe(true);
  expect(journal.checkpoint).toBe(released);
  const behind = [...frames.keys()].filter((sequence) => sequence > released);
  const intact = behind.filter((sequence) => whole.includes(frames.get(sequence) ?? ''));
  expect(visited.map(({ text }) => text)).toEqual(
    intact.map((sequence) => `frame ${String(sequence).padStart(2, '0')}`),
  );

  // Of what is missing at the very end nothing tells that it was there, but the end of a segment that is not whole.
  const known = Math.max(...intact, ...[...left.keys()].map((name) => (firstSequenceOf(name) ?? 1) - 1));
  const lost = behind.filter((sequence) => sequence <= known && !intact.includes(sequence));
  expect(report).toMatchObject({ frames: intact.length, lostFrames: lost.length });
  if (!(last in changes)) expect(lost).toHaveLength(behind.length - intact.length);

  const later = await journal.append('tasks', Buffer.from('later'));
  expect(later.sequence).toBeGreaterThan(known);
  await journal.close();
  const again = await openJournalOn(disk);
  expect(again.visited.map(({ text }) => text)).toEqual([...visited.map(({ text }) => text), 'later']);
}

describe('a journal opens, yields what is left and nothing else, and counts what is lost', () => {
  test('with any bit of any file flipped', async () => {
    for (const name of files.keys()) {
      for (const at of placesIn(name)) {
        for (const bit of range(8)) {
          const damaged = Buffer.from(bytesOf(name));
          damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
          await check({ [name]: damaged });
        }
      }
    }
  }, 600_000);

  test('with any file cut at any byte', async () => {
    for (const name of files.keys()) {
      for (const at of placesIn(name)) await check({ [name]: bytesOf(name).subarray(0, at) });
    }
  }, 600_000);

  test('with any file deleted', async () => {
    for (const name of files.keys()) await check({ [name]: undefined });
  });

  test('with any end of a segment doubled, or filled with zeros, or with zeros behind it', async () => {
    for (const name of segments) {
      const bytes = bytesOf(name);
      for (const count of range(bytes.length + 1)) {
        const [start, end] = [bytes.subarray(0, bytes.length - count), bytes.subarray(bytes.length - count)];
        await check({ [name]: Buffer.concat([bytes, end]) });
        await check({ [name]: Buffer.concat([start, Buffer.alloc(count)]) });
        await check({ [name]: Buffer.concat([bytes, Buffer.alloc(count)]) });
      }
    }
  });

  test('with its last segment unreadable, and any other file deleted or cut at any byte', async () => {
    const unreadable = Buffer.alloc(bytesOf(last).length);
    for (const name of files.keys()) {
      if (name === last) continue;
      await check({ [last]: unreadable, [name]: undefined });
      for (const at of placesIn(name)) {
        await check({ [last]: unreadable, [name]: bytesOf(name).subarray(0, at) });
      }
    }
  });
});
