import { describe, expect, test } from 'bun:test';
import type { Journal } from '../../src/journal/journal.ts';
import { seededRandom } from '../support/game-session.ts';
import { JournalLedger, openJournalOn } from '../support/journal-ledger.ts';
import { inJournal, journalFolder, SimulatedDisk } from '../support/simulated-disk.ts';

/** What is done to a journal whose disk fails once: enough that it begins segments, and deletes some. */
async function use(journal: Journal, ledger: JournalLedger): Promise<void> {
  let hasFailed = false;
  for (const count of [1, 3, 2, 1, 4]) {
    const appends = Array.from({ length: count }, () => ledger.append(journal));
    const refused = (await Promise.allSettled(appends)).flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason] : [],
    );
    for (const error of refused) expect(error).toMatchObject({ code: 'JOURNAL_FAILED' });
    // Once it refuses, it refuses everything, although the disk is well again.
    if (hasFailed) expect(refused).toHaveLength(count);
    hasFailed ||= refused.length > 0;
    expect(journal.mode).toBe(hasFailed ? 'failed' : 'open');
    await ledger.release(journal, ledger.lastSequence - 1).catch(isOfDisk);
  }
  await journal.close().catch(isOfDisk);
}

function isOfDisk(error: unknown): void {
  expect(error).toMatchObject({ message: expect.stringContaining('simulated disk') });
}

/** A journal with damage in its middle and a torn end, for which a start has something to do. */
async function damagedDisk(ledger: JournalLedger): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  const { journal } = await openJournalOn(disk);
  for (let count = 0; count < 8; count += 1) await ledger.append(journal);
  await ledger.release(journal, 4);
  await journal.close();
  const segments = [...disk.filesIn(journalFolder)].filter(([name]) => name.endsWith('.journal'));
  const [[first, bytes], [last, tail]] = [segments[0], segments.at(-1)] as [
    [string, Buffer],
    [string, Buffer],
  ];
  // Of frames that were released, and behind all others.
  disk.put(inJournal(first), Buffer.concat([Buffer.alloc(10), bytes.subarray(10)]));
  disk.put(inJournal(last), Buffer.concat([tail, Buffer.from('torn')]));
  return disk;
}

const starts: [what: string, disk: (ledger: JournalLedger) => Promise<SimulatedDisk>][] = [
  ['a new journal', async () => new SimulatedDisk()],
  ['a damaged journal', damagedDisk],
];

for (const [what, makeDisk] of starts) {
  for (const code of ['ENOSPC', 'EIO']) {
    for (const powerLoss of [false, true]) {
      const end = powerLoss ? 'a power loss' : 'a restart';
      test(`${code} at any operation of ${what}: it accepts no more, syncs no second time, and has all it accepted after ${end}`, async () => {
        let nth = 1;
        for (let struck = true; struck; nth += 1) struck = await failOnce(makeDisk, code, nth, powerLoss);
        expect(nth).toBeGreaterThan(25);
      });
    }
  }
}

/** One life with a fault at the n-th operation, and one on a healthy disk; false when there are not so many. */
async function failOnce(
  makeDisk: (ledger: JournalLedger) => Promise<SimulatedDisk>,
  code: string,
  nth: number,
  powerLoss: boolean,
): Promise<boolean> {
  const ledger = new JournalLedger();
  const disk = await makeDisk(ledger);
  disk.failAt(nth, code);
  const begin = disk.operations.length;
  try {
    const opened = await openJournalOn(disk);
    ledger.check(opened);
    await use(opened.journal, ledger);
  } catch (error) {
    isOfDisk(error);
    // Without its folder there is no journal, and a disk that loses names is not worked with.
    expect(disk.failed).toMatch(/^(mkdir|sync|remove|write) /);
  }
  const { failed } = disk;
  if (failed?.startsWith('sync') && failed.endsWith('.journal')) {
    expect(disk.operations.slice(begin + nth)).not.toContain(failed);
  }
  disk.failAt(null);
  if (powerLoss) disk.losePower(seededRandom(nth));
  const { journal, ...reopened } = await openJournalOn(disk);
  ledger.check({ ...reopened });
  await ledger.append(journal);
  await ledger.release(journal, ledger.lastSequence);
  expect(journal.mode).toBe('open');
  await journal.close();
  return failed !== undefined;
}

describe('a journal that has filled its disk', () => {
  test('is released all the same, and accepts again after a restart on the same disk, wherever the disk ended', async () => {
    for (let capacityBytes = 8192; capacityBytes < 8192 + 500; capacityBytes += 1) {
      const disk = new SimulatedDisk();
      disk.capacityBytes = capacityBytes;
      const ledger = new JournalLedger();
      const { journal } = await openJournalOn(disk);
      while (journal.mode === 'open') await ledger.append(journal).catch(() => {});
      await ledger.release(journal, ledger.lastSequence);
      await journal.close();

      const opened = await openJournalOn(disk);
      ledger.check(opened);
      expect(opened.report).toMatchObject({ damagedRanges: 0, lostFrames: 0 });
      expect(disk.bytesUsed).toBe(8192);
      if (capacityBytes < 8192 + 60) continue;
      await ledger.append(opened.journal);
      await opened.journal.close();
    }
  });
});
