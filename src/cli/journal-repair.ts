import { copyName, type MendedJournal, mendJournal } from '../journal/recovery.ts';
import { hasBytes, surveyJournal } from '../journal/survey.ts';
import { systemFiles } from '../platform/durable-files.ts';
import { lockFolder } from '../platform/file-lock.ts';
import { createLogger } from '../platform/logger.ts';
import { counted, describeDamage, lostFramesOf } from './journal-text.ts';

type Mended = Omit<MendedJournal, 'checkpointFile'>;

/**
 * Does about the damage of a journal what a start of the service does, and prints it.
 * @returns whether the journal is sound then.
 * @throws while a service has the data folder.
 */
export async function repairJournal(dataDir: string, folder: string, dryRun: boolean): Promise<boolean> {
  const unlock = lockFolder(dataDir);
  try {
    const mended = dryRun
      ? await dryMend(folder)
      : await mendJournal(folder, { files: systemFiles, logger: createLogger('warn', 'text') });
    for (const line of linesOf(mended, dryRun)) console.log(line);
    return isSound(mended);
  } finally {
    unlock();
  }
}

async function dryMend(folder: string): Promise<Mended> {
  const survey = await surveyJournal(systemFiles, folder);
  return {
    survey,
    notCopied: new Set(),
    truncated: survey.tornTail !== undefined,
    checkpointIsWhole: true,
  };
}

function isSound({ survey, truncated, checkpointIsWhole }: Mended): boolean {
  return checkpointIsWhole && survey.damage.every((damage) => truncated && damage === survey.tornTail);
}

function linesOf({ survey, notCopied, truncated, checkpointIsWhole }: Mended, dryRun: boolean): string[] {
  const done = dryRun ? 'would be ' : '';
  const lines = survey.damage.map((damage) => {
    const what = describeDamage(damage, survey);
    if (!hasBytes(damage)) return what;
    if (notCopied.has(damage.segment)) return `${what}: could not be copied, and stays as it is`;
    const cut = truncated && damage === survey.tornTail ? ', and cut off' : '';
    return `${what}: ${done}copied to damaged/${copyName(damage)}${cut}`;
  });
  if (survey.checkpoint.damaged) {
    lines.push(`checkpoint: damaged: ${checkpointIsWhole ? `${done}written anew` : 'could not be written'}`);
  }
  if (lines.length === 0) return ['Nothing to repair'];
  return [...lines, `${counted(lostFramesOf(survey), 'frame')} lost${dryRun ? '; nothing was changed' : ''}`];
}
