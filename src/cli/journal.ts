import { join } from 'node:path';
import { systemFiles } from '../platform/durable-files.ts';
import { describeError } from '../platform/errors.ts';
import type { Invocation, JournalSwitch } from './arguments.ts';
import { inspectJournal } from './journal-inspect.ts';
import { repairJournal } from './journal-repair.ts';
import { verifyJournal } from './journal-verify.ts';

type JournalInvocation = Extract<Invocation, { run: 'journal' }>;

const exitCodes = { sound: 0, failed: 1, damaged: 3 } as const;

/**
 * Looks at the journal of a data folder, or at its quarantine's, or mends it.
 * @returns the exit code.
 */
export async function journal(dataDir: string, { action, switches }: JournalInvocation): Promise<number> {
  const isOn = (name: JournalSwitch): boolean => switches.includes(name);
  const folder = join(dataDir, isOn('quarantine') ? 'quarantine' : 'journal');
  try {
    // A journal that is not there is an error, and nothing is made in its place.
    await systemFiles.list(folder);
    switch (action) {
      case 'inspect':
        await inspectJournal(folder, { frames: isOn('frames'), json: isOn('json') });
        return exitCodes.sound;
      case 'verify':
        return exitCode(await verifyJournal(folder, isOn('json')));
      case 'repair':
        return exitCode(await repairJournal(dataDir, folder, isOn('dry-run')));
    }
  } catch (error) {
    console.error(`Cannot ${action} the journal ${folder}: ${describeError(error)}`);
    return exitCodes.failed;
  }
}

function exitCode(isSound: boolean): number {
  return isSound ? exitCodes.sound : exitCodes.damaged;
}
