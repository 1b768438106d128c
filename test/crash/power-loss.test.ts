import { expect, test } from 'bun:test';
import type { Journal } from '../../src/journal/journal.ts';
import { seededRandom } from '../support/game-session.ts';
import { JournalLedger, openJournalOn } from '../support/journal-ledger.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';

const rounds = process.env.TEST_LONG ? 20_000 : 400;
const livesMax = 5;

test(`every acknowledged frame survives a power loss or a kill at any operation of the disk, in ${rounds} rounds`, async () => {
  let powerLosses = 0;
  for (let seed = 1; seed <= rounds; seed += 1) {
    try {
      powerLosses += await livesOfJournal(seededRandom(seed));
    } catch (error) {
      throw new Error(`The round with seed ${seed} failed`, { cause: error });
    }
  }
  expect(powerLosses).toBeGreaterThan(rounds);
}, 600_000);

/** A journal that dies again and again, each time in the middle of something. Returns how often it lost power. */
async function livesOfJournal(random: () => number): Promise<number> {
  const disk = new SimulatedDisk();
  const ledger = new JournalLedger();
  let powerLosses = 0;
  for (let life = 0; life < livesMax; life += 1) {
    disk.dieAt(1 + Math.floor(random() * 60), random() < 0.5);
    await liveUntilDeath(disk, ledger, random);
    if (random() < 0.7) {
      disk.losePower(random);
      powerLosses += 1;
    }
    disk.dieAt(null);
    ledger.check(await openJournalOn(disk));
  }
  return powerLosses;
}

async function liveUntilDeath(
  disk: SimulatedDisk,
  ledger: JournalLedger,
  random: () => number,
): Promise<void> {
  let journal: Journal | undefined;
  while (!disk.hasDied) {
    try {
      journal ??= await reopened(disk, ledger);
      await act(journal, ledger, random);
    } catch (error) {
      // What fails after the death tells nobody anything; an expectation that fails does.
      if (!disk.hasDied || !isOfDisk(error)) throw error;
    }
    if (random() < 0.05) journal = undefined;
  }
}

async function reopened(disk: SimulatedDisk, ledger: JournalLedger): Promise<Journal> {
  const opened = await openJournalOn(disk);
  ledger.check(opened);
  return opened.journal;
}

async function act(journal: Journal, ledger: JournalLedger, random: () => number): Promise<void> {
  const appends = Array.from({ length: 1 + Math.floor(random() * 4) }, () => ledger.append(journal));
  const outcomes = await Promise.allSettled(appends);
  if (random() < 0.4) await ledger.release(journal, Math.floor(random() * (ledger.lastSequence + 1)));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

function isOfDisk(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}
