import { join } from 'node:path';
import type { DurableFiles } from '../platform/durable-files.ts';
import { describeError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { CheckpointFile } from './checkpoint.ts';
import type { Frame, Position } from './frame.ts';
import { type Damage, hasBytes, type Survey, type SurveyedSegment, surveyJournal } from './survey.ts';

export type Segment = Pick<SurveyedSegment, 'path' | 'firstSequence' | 'lastSequence' | 'bytes'>;

/** What opening a journal found. */
export interface ReplayReport {
  /** Frames behind the checkpoint, handed on. */
  frames: number;
  /** Damaged ranges, each kept aside in `damaged/`. */
  damagedRanges: number;
  damagedBytes: number;
  /** Frames that are missing before one that is there, or before a segment that is named after a later one. */
  lostFrames: number;
  /** A write that a crash cut short was at the end; it was never acknowledged under `sync: always`. */
  tornTail: boolean;
  seconds: number;
}

/** What a journal goes on from. */
export interface OpenedSegments {
  segments: Segment[];
  last: Position;
  checkpoint: number;
  checkpointFile: CheckpointFile;
  report: ReplayReport;
}

/** What a mended journal holds, and what was done to it. */
export interface MendedJournal {
  survey: Survey;
  /** Names of segments whose damaged bytes are there only: they must not be deleted. */
  notCopied: ReadonlySet<string>;
  /** The damaged end of the last segment was cut off. */
  truncated: boolean;
  checkpointFile: CheckpointFile;
  /** The checkpoint file is undamaged, and has the room that later checkpoints need. */
  checkpointIsWhole: boolean;
}

interface RecoveryParts {
  files: DurableFiles;
  logger: Logger;
}

const damagedFolder = 'damaged';

/**
 * Mends a journal, visits each frame behind the checkpoint once, in order, and deletes the segments of which nothing
 * is needed. Never throws for what is in the files.
 */
export async function openSegments(
  folder: string,
  parts: RecoveryParts,
  visit: (frame: Frame) => void,
): Promise<OpenedSegments> {
  const startedMs = performance.now();
  await parts.files.makeFolder(folder);
  let frames = 0;
  const mended = await mendJournal(folder, parts, (frame, { released }) => {
    if (frame.sequence <= released) return;
    frames += 1;
    visit(frame);
  });
  const { survey, checkpointFile } = mended;
  if (survey.checkpoint.damaged) {
    parts.logger.warn(
      'The journal checkpoint is damaged; more is replayed than has to be, which changes nothing that storage has',
      { folder },
    );
  }
  const kept = await removeReleased(parts.files, folder, mended);
  // What is there but cannot be read keeps its name, which no later segment may take.
  const sequence = Math.max(survey.last.sequence, ...kept.map(({ firstSequence }) => firstSequence));
  return {
    // A segment with damage that is only here is not released: the next start tries again to copy it.
    segments: kept.filter(({ name }) => !mended.notCopied.has(name)),
    last: { ...survey.last, sequence },
    checkpoint: survey.released,
    checkpointFile,
    report: reportOf(survey, frames, (performance.now() - startedMs) / 1000),
  };
}

/**
 * Reads a journal and does about its damage what can be done: damaged bytes are copied to `damaged/`, a damaged end
 * of the last segment is cut off, so that the next start does not find it again, and the checkpoint file is made
 * whole. What the disk does not take is left as it is.
 */
export async function mendJournal(
  folder: string,
  parts: RecoveryParts,
  onFrame: (frame: Frame, survey: Survey) => void = () => {},
): Promise<MendedJournal> {
  const notCopied = new Set<string>();
  const survey = await surveyJournal(parts.files, folder, {
    onFrame,
    async onSegment(segment, bytes) {
      if (!(await keepAside(parts, folder, segment, bytes))) notCopied.add(segment.name);
    },
  });
  const truncated = await cutTornTail(parts, survey, notCopied);
  const { checkpoint, released, last } = survey;
  const checkpointFile = new CheckpointFile(parts.files, folder, checkpoint);
  const checkpointIsWhole =
    (!checkpoint.damaged && checkpoint.nextSlot !== undefined) ||
    (await attempt(parts, 'The checkpoint file of the journal could not be made whole', () =>
      checkpointFile.write({ sequence: released, version: last.version }),
    ));
  return { survey, notCopied, truncated, checkpointFile, checkpointIsWhole };
}

/** What the copy of damaged bytes is called in `damaged/`. */
export function copyName({ segment, start }: Damage): string {
  return `${segment}-${start}`;
}

/** Copies damaged bytes to `damaged/`. */
function keepAside(
  parts: RecoveryParts,
  folder: string,
  { damage }: SurveyedSegment,
  bytes: Buffer,
): Promise<boolean> {
  const aside = join(folder, damagedFolder);
  const unreadable = damage.filter(hasBytes);
  return attempt(
    parts,
    'Damaged bytes of the journal could not be copied; they stay where they are',
    async () => {
      if (unreadable.length > 0) await parts.files.makeFolder(aside);
      for (const range of unreadable) {
        await parts.files.replace(join(aside, copyName(range)), bytes.subarray(range.start, range.end));
      }
    },
  );
}

async function cutTornTail(
  parts: RecoveryParts,
  { tornTail, segments }: Survey,
  notCopied: ReadonlySet<string>,
): Promise<boolean> {
  const last = segments.at(-1);
  if (tornTail === undefined || last === undefined || notCopied.has(last.name)) return false;
  const { start } = tornTail;
  const isCut = await attempt(parts, 'The torn end of the journal could not be cut off', () =>
    parts.files.truncate(last.path, start),
  );
  if (isCut) last.bytes = start;
  return isCut;
}

/** Does what a start can do without: false when the disk does not take it, which must not stop the start. */
async function attempt(
  { logger }: RecoveryParts,
  warning: string,
  action: () => Promise<void>,
): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    logger.warn(warning, { error: describeError(error) });
    return false;
  }
}

async function removeReleased(
  files: DurableFiles,
  folder: string,
  { survey, notCopied, checkpointFile }: MendedJournal,
): Promise<readonly SurveyedSegment[]> {
  const { segments, released, last } = survey;
  const isNeeded = ({ name, bytes, lastSequence }: SurveyedSegment): boolean =>
    notCopied.has(name) || (bytes > 0 && lastSequence > released);
  const removed = segments.filter((segment) => !isNeeded(segment));
  if (removed.length === 0) return segments;
  // A checkpoint that a killed process wrote can be read, and yet be gone after a power loss.
  await checkpointFile.write({ sequence: released, version: last.version });
  for (const { path } of removed) await files.remove(path);
  await files.syncFolder(folder);
  return segments.filter(isNeeded);
}

function reportOf({ damage, tornTail }: Survey, frames: number, seconds: number): ReplayReport {
  const unreadable = damage.filter(hasBytes);
  return {
    frames,
    damagedRanges: unreadable.length,
    damagedBytes: unreadable.reduce((sum, { start, end }) => sum + end - start, 0),
    lostFrames: damage.reduce((sum, { lostFrames }) => sum + lostFrames, 0),
    tornTail: tornTail !== undefined,
    seconds,
  };
}
