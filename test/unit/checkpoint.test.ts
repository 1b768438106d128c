import { expect, test } from 'bun:test';
import { crc32 } from 'node:zlib';
import { CheckpointFile, readCheckpoint } from '../../src/journal/checkpoint.ts';
import { openJournalOn } from '../support/journal-ledger.ts';
import { inJournal, journalFolder, SimulatedDisk } from '../support/simulated-disk.ts';

const path = inJournal('checkpoint');
const slotBytes = 4096;

/** A checkpoint file to which these sequences were written, one after the other. */
async function diskWith(...sequences: number[]): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await disk.files.makeFolder(journalFolder);
  const file = new CheckpointFile(disk.files, journalFolder, await readCheckpoint(disk.files, journalFolder));
  for (const sequence of sequences) await file.write({ sequence, version: sequence * 10 });
  return disk;
}

const read = ({ files }: SimulatedDisk) => readCheckpoint(files, journalFolder);

function damage(disk: SimulatedDisk, ...offsets: number[]): void {
  const bytes = Buffer.from(disk.filesIn(journalFolder).get('checkpoint') ?? []);
  for (const at of offsets) bytes[at] = (bytes[at] ?? 0) ^ 1;
  disk.put(path, bytes);
}

test('what was written last is read, also by a process that goes on writing', async () => {
  for (const count of [1, 2, 3, 4]) {
    const disk = await diskWith(...Array.from({ length: count }, (_, index) => index + 1));
    expect(await read(disk)).toMatchObject({
      position: { sequence: count, version: count * 10 },
      damaged: false,
    });
    const next = new CheckpointFile(disk.files, journalFolder, await read(disk));
    await next.write({ sequence: 9, version: 90 });
    expect((await read(disk)).position).toEqual({ sequence: 9, version: 90 });
    // Damaged where it was written last, it has what was written before.
    damage(disk, (await read(disk)).nextSlot === 0 ? slotBytes : 0);
    expect(await read(disk)).toMatchObject({ position: { sequence: count }, damaged: true });
  }
});

test('two writes never meet in one slot, one after the other', async () => {
  const disk = await diskWith(1, 2, 3);
  damage(disk, (await read(disk)).nextSlot === 0 ? slotBytes : 0);
  expect(await read(disk)).toMatchObject({ position: { sequence: 2 }, damaged: true });
});

test('only the first write takes space, and makes the whole file durable', async () => {
  const disk = await diskWith(1);
  disk.capacityBytes = disk.bytesUsed;
  const file = new CheckpointFile(disk.files, journalFolder, await read(disk));
  const before = disk.operations.length;
  await file.write({ sequence: 2, version: 20 });
  await file.write({ sequence: 3, version: 30 });
  expect(disk.operations.slice(before)).toEqual([
    `write ${path}`,
    `sync ${path}`,
    `write ${path}`,
    `sync ${path}`,
  ]);
  disk.losePower(() => 0);
  expect((await read(disk)).position).toEqual({ sequence: 3, version: 30 });
});

test('a write that failed is repeated in its slot, and the slot before stays as it is', async () => {
  const disk = await diskWith(1, 2);
  const file = new CheckpointFile(disk.files, journalFolder, await read(disk));
  for (const operation of [1, 2]) {
    disk.failAt(operation);
    await expect(file.write({ sequence: 3, version: 30 })).rejects.toThrow('EIO');
    expect([2, 3]).toContain((await read(disk)).position?.sequence ?? 0);
  }
  disk.failAt(null);
  await file.write({ sequence: 3, version: 30 });
  expect(await read(disk)).toMatchObject({ position: { sequence: 3 }, damaged: false });
});

test('of which no slot can be read says nothing, and is made anew', async () => {
  const disk = await diskWith(1, 2);
  damage(disk, 0, slotBytes);
  expect(await read(disk)).toEqual({ position: undefined, damaged: true, nextSlot: undefined });
});

test('the file of an older version is read, and gets two slots at the next start', async () => {
  const disk = await diskWith();
  const json = '{"sequence":7,"version":1759226400000007}';
  disk.put(path, Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`));
  const old = await read(disk);
  expect(old).toMatchObject({ position: { sequence: 7, version: 1_759_226_400_000_007 }, damaged: false });
  const { journal } = await openJournalOn(disk);
  expect(journal.checkpoint).toBe(7);
  expect(disk.filesIn(journalFolder).get('checkpoint')).toHaveLength(2 * slotBytes);
  expect((await read(disk)).position).toEqual(old.position);
});
