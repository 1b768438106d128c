import { join } from 'node:path';
import type { DurableFiles } from '../platform/durable-files.ts';
import { type Checkpoint, readCheckpoint } from './checkpoint.ts';
import type { Frame, Position } from './frame.ts';
import { firstSequenceOf, scanSegment, tornEndOf } from './segment.ts';

/** Something that is wrong with a journal. */
export interface Damage {
  /** The file; of frames that are missing without a trace, the one that follows them. */
  segment: string;
  /** The bytes that are no frame; none where frames are missing without a trace. */
  start: number;
  end: number;
  /** Frames behind the checkpoint that are missing there. */
  lostFrames: number;
}

export interface SurveyedSegment {
  name: string;
  path: string;
  bytes: number;
  frames: number;
  firstSequence: number;
  /** One less than `firstSequence` while it holds no frame. */
  lastSequence: number;
  /** Versions of its first and its last frame; undefined while it holds none. */
  firstVersion: number | undefined;
  lastVersion: number | undefined;
  damage: Damage[];
}

/** What a journal holds. */
export interface Survey {
  checkpoint: Checkpoint;
  /** Storage has everything up to here; without a readable checkpoint, what no segment holds is taken for released. */
  released: number;
  /** Oldest first. */
  segments: readonly SurveyedSegment[];
  damage: readonly Damage[];
  /** The damage with which the last segment ends: a write that was cut short, as far as one can tell. */
  tornTail: Damage | undefined;
  /** The last sequence that was given, as far as one can tell, and the largest version. */
  last: Position;
}

/** What is told while a journal is read, one segment in memory at a time. */
export interface SurveyObserver {
  /** Each undamaged frame, in order, once, also those before the checkpoint. */
  onFrame?(frame: Frame, survey: Survey): void;
  /** Each segment behind its frames, with its bytes. What it lost at its end is not known yet. */
  onSegment?(segment: SurveyedSegment, bytes: Buffer): Promise<void>;
}

/**
 * Reads a whole journal and changes nothing. Never throws for what is in the files: damaged bytes are stepped over
 * and reported. The service may run meanwhile: a segment that it deletes was released, and a frame that it is
 * writing is not looked at.
 */
export async function surveyJournal(
  files: Pick<DurableFiles, 'list' | 'read'>,
  folder: string,
  observer: SurveyObserver = {},
): Promise<Survey> {
  const names = (await files.list(folder)).filter((name) => firstSequenceOf(name) !== undefined);
  // Read behind the listing, it covers every segment that was deleted before.
  const survey = new RunningSurvey(await readCheckpoint(files, folder), names[0]);
  for (const name of names) {
    const path = join(folder, name);
    const bytes = await bytesOf(files, path, name === names.at(-1));
    if (bytes === undefined) {
      survey.skipReleased();
      continue;
    }
    const segment = survey.read(name, path, bytes, observer);
    await observer.onSegment?.(segment, bytes);
  }
  return survey;
}

class RunningSurvey implements Survey {
  readonly segments: SurveyedSegment[] = [];
  readonly damage: Damage[] = [];
  readonly last: Position;
  readonly released: number;
  readonly checkpoint: Checkpoint;
  tornTail: Damage | undefined;
  #lastSeen = 0;
  #expected: number;
  #gapIsReleased = false;
  /** The damage behind the last frame: it has what is missing before the next one. */
  #open: Damage | undefined;

  constructor(checkpoint: Checkpoint, firstName: string | undefined) {
    const { position, damaged } = checkpoint;
    const oldest = (firstSequenceOf(firstName ?? '') ?? 1) - 1;
    this.checkpoint = checkpoint;
    this.released =
      position !== undefined && !damaged ? position.sequence : Math.max(position?.sequence ?? 0, oldest);
    this.last = { sequence: this.released, version: position?.version ?? 0 };
    this.#expected = this.released + 1;
  }

  /** A segment is gone since it was listed. */
  skipReleased(): void {
    this.#gapIsReleased = true;
  }

  read(name: string, path: string, bytes: Buffer, observer: SurveyObserver): SurveyedSegment {
    const firstSequence = firstSequenceOf(name) ?? 0;
    const segment: SurveyedSegment = {
      name,
      path,
      bytes: bytes.length,
      frames: 0,
      firstSequence,
      lastSequence: firstSequence - 1,
      firstVersion: undefined,
      lastVersion: undefined,
      damage: [],
    };
    this.segments.push(segment);
    if (this.#gapIsReleased) this.#expected = Math.max(this.#expected, firstSequence);
    this.#gapIsReleased = false;
    // Its name says that every frame before was written.
    this.#expect(firstSequence, segment, 0);
    this.last.sequence = Math.max(this.last.sequence, firstSequence - 1);
    for (const { start, end, frame } of scanSegment(bytes)) {
      if (frame === undefined) this.#open = this.#damaged(segment, start, end);
      else if (frame.sequence > this.#lastSeen) {
        this.#expect(frame.sequence, segment, start);
        this.#take(frame, segment);
        observer.onFrame?.(frame, this);
      }
    }
    this.tornTail = segment.damage.find((damage) => hasBytes(damage) && damage.end === bytes.length);
    return segment;
  }

  /** Counts what is missing before `sequence`. */
  #expect(sequence: number, segment: SurveyedSegment, at: number): void {
    const missing = sequence - this.#expected;
    if (missing <= 0) return;
    this.#expected = sequence;
    (this.#open ?? this.#damaged(segment, at, at)).lostFrames += missing;
  }

  /** A frame that was seen before is a copy, of a segment put back by hand, and does not get here. */
  #take({ sequence, version }: Frame, segment: SurveyedSegment): void {
    this.#lastSeen = sequence;
    this.#expected = Math.max(this.#expected, sequence + 1);
    this.#open = undefined;
    this.last.sequence = Math.max(this.last.sequence, sequence);
    this.last.version = Math.max(this.last.version, version);
    segment.frames += 1;
    segment.lastSequence = sequence;
    segment.firstVersion ??= version;
    segment.lastVersion = version;
  }

  #damaged(segment: SurveyedSegment, start: number, end: number): Damage {
    const damage: Damage = { segment: segment.name, start, end, lostFrames: 0 };
    segment.damage.push(damage);
    this.damage.push(damage);
    return damage;
  }
}

/** False where frames are missing without a trace. */
export function hasBytes({ start, end }: Damage): boolean {
  return start < end;
}

/**
 * The bytes of a segment; undefined when it is gone. Where the last one ends in damage, that may be a write of the
 * running service: then a second look finds the end elsewhere.
 */
async function bytesOf(
  files: Pick<DurableFiles, 'read'>,
  path: string,
  isLast: boolean,
): Promise<Buffer | undefined> {
  const bytes = await readUnlessGone(files, path);
  if (bytes === undefined || !isLast) return bytes;
  const torn = tornEndOf(bytes);
  if (torn === undefined) return bytes;
  const later = await readUnlessGone(files, path);
  const tornLater = later && tornEndOf(later);
  return tornLater === torn ? later : later?.subarray(0, tornLater);
}

async function readUnlessGone(files: Pick<DurableFiles, 'read'>, path: string): Promise<Buffer | undefined> {
  try {
    return bufferOf(await files.read(path));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The same bytes, not a copy: a segment is large. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
