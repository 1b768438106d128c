import { type Survey, surveyJournal } from '../journal/survey.ts';
import { systemFiles } from '../platform/durable-files.ts';
import { counted, damageAsJson, describeDamage, lostFramesOf } from './journal-text.ts';

/**
 * Reads a whole journal and prints what is wrong with it.
 * @returns whether it is sound.
 */
export async function verifyJournal(folder: string, json: boolean): Promise<boolean> {
  const survey = await surveyJournal(systemFiles, folder);
  const isSound = survey.damage.length === 0 && !survey.checkpoint.damaged;
  if (json) console.log(JSON.stringify({ folder, sound: isSound, ...findingsOf(survey) }));
  else for (const line of linesOf(folder, survey, isSound)) console.log(line);
  return isSound;
}

function findingsOf(survey: Survey) {
  return {
    segments: survey.segments.length,
    frames: framesOf(survey),
    checkpoint_damaged: survey.checkpoint.damaged,
    torn_tail: survey.tornTail !== undefined,
    lost_frames: lostFramesOf(survey),
    damage: survey.damage.map(damageAsJson),
  };
}

function linesOf(folder: string, survey: Survey, isSound: boolean): string[] {
  const read = `${counted(survey.segments.length, 'segment')}, ${counted(framesOf(survey), 'frame')}`;
  return [
    ...survey.damage.map((damage) => describeDamage(damage, survey)),
    ...(survey.checkpoint.damaged ? ['checkpoint: damaged; a start replays more than it has to'] : []),
    isSound
      ? `${folder} is sound: ${read}`
      : `${folder} is damaged: ${read} can be read, ${counted(lostFramesOf(survey), 'frame')} lost`,
  ];
}

function framesOf({ segments }: Survey): number {
  return segments.reduce((sum, { frames }) => sum + frames, 0);
}
