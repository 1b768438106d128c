import type { Frame } from '../journal/frame.ts';
import { type Survey, type SurveyedSegment, surveyJournal } from '../journal/survey.ts';
import { translationCollections } from '../modules/translation/records.ts';
import { systemFiles } from '../platform/durable-files.ts';
import { formatInstant } from '../platform/instant.ts';
import { counted, damageAsJson, describeDamage, lostFramesOf } from './journal-text.ts';

interface Total {
  frames: number;
  records: number;
  bytes: number;
}

/** What is in a journal, frame by frame and added up. */
interface Contents {
  survey: Survey;
  byType: Map<string, Total>;
  /** Frames that storage has already, and those it lacks. */
  before: Total;
  behind: Total;
  oldestBehind: number | undefined;
}

/** Prints what is in a journal: each frame where that is asked for, then the segments, the checkpoint and totals. */
export async function inspectJournal(
  folder: string,
  { frames, json }: { frames: boolean; json: boolean },
): Promise<void> {
  const byType = new Map<string, Total>();
  const [before, behind] = [noTotal(), noTotal()];
  let oldestBehind: number | undefined;
  if (frames && !json) console.log(frameHeading);
  const survey = await surveyJournal(systemFiles, folder, {
    onFrame(frame, { released }) {
      const records = recordsIn(frame);
      const ofType = byType.get(frame.type) ?? noTotal();
      byType.set(frame.type, ofType);
      const isBehind = frame.sequence > released;
      if (isBehind) oldestBehind ??= frame.version;
      for (const total of [ofType, isBehind ? behind : before]) add(total, frame, records);
      if (frames) console.log(json ? JSON.stringify(frameAsJson(frame, records)) : frameLine(frame, records));
    },
  });
  if (frames && !json) console.log('');
  const contents = { survey, byType, before, behind, oldestBehind };
  console.log(json ? JSON.stringify(asJson(folder, contents)) : asText(folder, contents));
}

/** How many records a frame holds: a batch of them, or one with the reason it is in quarantine; undefined when unknown. */
function recordsIn({ type, payload }: Frame): number | undefined {
  const collection = translationCollections.find(({ name }) => name === type);
  try {
    const body: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    if (typeof body !== 'object' || body === null) return undefined;
    const records = (body as Record<string, unknown>)[collection?.batchField ?? ''];
    if (Array.isArray(records)) return records.length;
    return 'record' in body && 'reason' in body ? 1 : undefined;
  } catch {
    return undefined;
  }
}

function noTotal(): Total {
  return { frames: 0, records: 0, bytes: 0 };
}

function add(total: Total, { payload }: Frame, records = 0): void {
  total.frames += 1;
  total.records += records;
  total.bytes += payload.length;
}

function timeOf(version: number): string {
  return formatInstant(Math.floor(version / 1000));
}

const frameHeading = row('sequence', 'accepted', 'type', 'bytes', 'records');

function frameLine({ sequence, version, type, payload }: Frame, records: number | undefined): string {
  return row(String(sequence), timeOf(version), type, String(payload.length), String(records ?? '?'));
}

function row(sequence: string, accepted: string, type: string, bytes: string, records: string): string {
  return `${sequence.padStart(12)}  ${accepted.padEnd(24)}  ${type.padEnd(24)}${bytes.padStart(12)}${records.padStart(9)}`;
}

function asText(folder: string, { survey, byType, before, behind, oldestBehind }: Contents): string {
  const { segments, released, checkpoint, damage } = survey;
  const state = checkpoint.damaged ? ' (damaged)' : checkpoint.position === undefined ? ' (none)' : '';
  const oldest = oldestBehind === undefined ? '' : `; the oldest was accepted at ${timeOf(oldestBehind)}`;
  return [
    folder,
    `${'segment'.padEnd(24)}${'bytes'.padStart(12)}${'frames'.padStart(9)}  sequences and acceptance`,
    ...segments.flatMap((segment) => [
      segmentLine(segment),
      ...segment.damage.map((each) => `  ${describeDamage(each, survey)}`),
    ]),
    ...[...byType].map(([type, total]) => `${type}: ${describeTotal(total)}`),
    `Checkpoint: ${released}${state}`,
    `Before the checkpoint: ${describeTotal(before)}`,
    `Behind the checkpoint: ${describeTotal(behind)}${oldest}`,
    ...(damage.length > 0 ? [`Lost: ${counted(lostFramesOf(survey), 'frame')}`] : []),
  ].join('\n');
}

function segmentLine({ name, bytes, frames, ...segment }: SurveyedSegment): string {
  const { firstSequence, lastSequence, firstVersion, lastVersion } = segment;
  const figures = `${name.padEnd(24)}${String(bytes).padStart(12)}${String(frames).padStart(9)}`;
  if (firstVersion === undefined || lastVersion === undefined) return figures;
  const times = `${timeOf(firstVersion)} to ${timeOf(lastVersion)}`;
  return `${figures}  ${firstSequence} to ${lastSequence}, ${times}`;
}

function describeTotal({ frames, records, bytes }: Total): string {
  return `${counted(frames, 'frame')}, ${counted(records, 'record')}, ${counted(bytes, 'byte')}`;
}

function frameAsJson({ sequence, version, type, payload }: Frame, records: number | undefined) {
  return { sequence, accepted_at: timeOf(version), type, bytes: payload.length, records: records ?? null };
}

function asJson(folder: string, { survey, byType, before, behind, oldestBehind }: Contents) {
  return {
    folder,
    checkpoint: { sequence: survey.released, damaged: survey.checkpoint.damaged },
    segments: survey.segments.map(segmentAsJson),
    types: Object.fromEntries(byType),
    before_checkpoint: before,
    behind_checkpoint: {
      ...behind,
      oldest_accepted_at: oldestBehind === undefined ? null : timeOf(oldestBehind),
    },
    lost_frames: lostFramesOf(survey),
  };
}

function segmentAsJson({ name, bytes, frames, damage, ...segment }: SurveyedSegment) {
  const { firstSequence, lastSequence, firstVersion, lastVersion } = segment;
  return {
    file: name,
    bytes,
    frames,
    first_sequence: frames === 0 ? null : firstSequence,
    last_sequence: frames === 0 ? null : lastSequence,
    first_accepted_at: firstVersion === undefined ? null : timeOf(firstVersion),
    last_accepted_at: lastVersion === undefined ? null : timeOf(lastVersion),
    damage: damage.map(damageAsJson),
  };
}
