import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { encodeFrame, type Frame } from '../../src/journal/frame.ts';
import { ReadBack } from '../../src/journal/read-back.ts';
import { scanSegment } from '../../src/journal/segment.ts';
import { inJournal, journalFolder, SimulatedDisk } from '../support/simulated-disk.ts';

const path = inJournal('0000000000000001.journal');

/** A segment with frames of these sizes, and some of its bytes overwritten. */
function segmentOf(sizes: readonly number[], damage: readonly { at: number; byte: number }[]): Buffer {
  const frames = sizes.flatMap((size, index) =>
    encodeFrame({ sequence: index + 1, version: index + 1, type: 'tasks', payload: Buffer.alloc(size, 'x') }),
  );
  const bytes = Buffer.concat(frames);
  for (const { at, byte } of damage) bytes[at % bytes.length] = byte;
  return bytes;
}

test('frames are read back in parts of any size, in any number of turns, as if the segment were read whole', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(200), { minLength: 1, maxLength: 12 }),
      fc.array(fc.record({ at: fc.nat(3000), byte: fc.nat(255) }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
      async (sizes, damage, partBytes, turns) => {
        const disk = new SimulatedDisk();
        await disk.files.makeFolder(journalFolder);
        const bytes = segmentOf(sizes, damage);
        disk.put(path, bytes);
        const segment = { path, firstSequence: 1, lastSequence: sizes.length, bytes: bytes.length };
        const whole = [...scanSegment(bytes)].flatMap(({ frame }) => (frame === undefined ? [] : [frame]));
        const readBack = new ReadBack(disk.files, partBytes);
        const read: Frame[] = [];
        for (let turn = 0; ; turn += 1) {
          const before = read.length;
          for await (const frame of readBack.frames(segment, read.at(-1)?.sequence ?? 0)) {
            read.push({ ...frame, payload: Buffer.from(frame.payload) });
            if (read.length - before === turns[turn % turns.length]) break;
          }
          if (read.length === before) break;
        }
        expect(read).toEqual(whole.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) })));
      },
    ),
    { numRuns: 300 },
  );
});

test('a segment is not read from its beginning in each turn', async () => {
  const disk = new SimulatedDisk();
  await disk.files.makeFolder(journalFolder);
  const bytes = segmentOf(Array(100).fill(100), []);
  disk.put(path, bytes);
  const segment = { path, firstSequence: 1, lastSequence: 100, bytes: bytes.length };
  let bytesRead = 0;
  const files = {
    ...disk.files,
    async readInto(...where: [into: Uint8Array, path: string, start: number]) {
      const bytes = await disk.files.readInto(...where);
      bytesRead += bytes;
      return bytes;
    },
  };
  const readBack = new ReadBack(files, 1000);
  for (let last = 0; last < 100; ) {
    for await (const { sequence } of readBack.frames(segment, last)) {
      last = sequence;
      break;
    }
  }
  // Each turn reads a part; ten turns' worth of them would be the whole segment.
  expect(bytesRead).toBeLessThanOrEqual(100 * 1000);
});
