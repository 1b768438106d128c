import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DurableFiles } from '../platform/durable-files.ts';
import { describeError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { Frame, Position } from './frame.ts';
import { type DamagedRange, firstSequenceOf, scanSegment } from './segment.ts';

export interface Segment {
  path: string;
  firstSequence: number;
  /** One less than `firstSequence` while it is empty. */
  lastSequence: number;
  bytes: number;
}

/** What opening a journal found. */
export interface ReplayReport {
  /** Frames behind the checkpoint, handed on. */
  frames: number;
  /** Damaged ranges, each kept aside in `damaged/`. */
  damagedRanges: number;
  damagedBytes: number;
  /** Frames that are missing between two that are there, or between the checkpoint and the first one. */
  lostFrames: number;
  /** A write that a crash cut short was at the end; it was never acknowledged under `sync: always`. */
  tornTail: boolean;
  seconds: number;
}

interface OpenedSegments {
  segments: Segment[];
  last: Position;
  checkpoint: number;
  report: ReplayReport;
}

const checkpointName = 'checkpoint';
const damagedFolder = 'damaged';

/**
 * Reads all segments of a folder, oldest first, and visits each frame behind the checkpoint once. Never throws
 * for what is in the files: damaged bytes are copied to `damaged/`, counted and stepped over; a damaged end of
 * the last segment is cut off, so that the next start does not find it again. Segments of which nothing is
 * needed are deleted.
 */
export async function openSegments(
  folder: string,
  { files, logger }: { files: DurableFiles; logger: Logger },
  visit: (frame: Frame) => void,
): Promise<OpenedSegments> {
  const startedMs = performance.now();
  await files.makeFolder(folder);
  const checkpoint = await readCheckpoint(files, folder, logger);
  const report: ReplayReport = {
    frames: 0,
    damagedRanges: 0,
    damagedBytes: 0,
    lostFrames: 0,
    tornTail: false,
    seconds: 0,
  };
  const last: Position = { sequence: checkpoint?.sequence ?? 0, version: checkpoint?.version ?? 0 };
  const names = (await files.list(folder)).filter((name) => firstSequenceOf(name) !== undefined);
  let expected = (checkpoint?.sequence ?? (firstSequenceOf(names[0] ?? '') ?? 1) - 1) + 1;
  const segments: Segment[] = [];
  const notCopied = new Set<Segment>();
  for (const [index, name] of names.entries()) {
    const path = join(folder, name);
    const bytes = bufferOf(await files.read(path));
    const firstSequence = firstSequenceOf(name) ?? 0;
    const segment: Segment = { path, firstSequence, lastSequence: firstSequence - 1, bytes: bytes.length };
    const damaged = scanSegment(bytes, (frame) => {
      // A frame seen before is a copy of a segment, put back by hand: its records are in already.
      if (frame.sequence <= segment.lastSequence) return;
      segment.lastSequence = frame.sequence;
      last.version = Math.max(last.version, frame.version);
      if (frame.sequence <= last.sequence) return;
      if (frame.sequence > expected) report.lostFrames += frame.sequence - expected;
      expected = frame.sequence + 1;
      last.sequence = frame.sequence;
      report.frames += 1;
      visit(frame);
    });
    countDamage(report, damaged);
    const keptAside = await keepAside(files, folder, name, bytes, damaged, logger);
    if (!keptAside) notCopied.add(segment);
    const torn = damaged.find((range) => range.atEnd);
    if (torn !== undefined && index === names.length - 1) {
      report.tornTail = true;
      if (keptAside) {
        await files.truncate(path, torn.start);
        segment.bytes = torn.start;
      }
    }
    // What is there but cannot be read keeps its name, which no later segment may take.
    if (segment.bytes > 0) last.sequence = Math.max(last.sequence, firstSequence);
    segments.push(segment);
  }

  const kept = await removeReleased(files, folder, segments, checkpoint?.sequence ?? 0, notCopied);
  report.seconds = (performance.now() - startedMs) / 1000;
  // A segment with damage that is only here is not released: the next start tries again to copy it.
  return {
    segments: kept.filter((segment) => !notCopied.has(segment)),
    last,
    checkpoint: checkpoint?.sequence ?? 0,
    report,
  };
}

/** Writes the checkpoint, durably: `<crc32 in hex> <json>`. */
export async function writeCheckpoint(
  files: DurableFiles,
  folder: string,
  checkpoint: Position,
): Promise<void> {
  const json = JSON.stringify(checkpoint);
  await files.replace(join(folder, checkpointName), Buffer.from(`${checksum(json)} ${json}\n`));
}

/** The checkpoint; without a readable one everything is replayed, which changes nothing that is stored already. */
async function readCheckpoint(
  files: DurableFiles,
  folder: string,
  logger: Logger,
): Promise<Position | undefined> {
  if (!(await files.list(folder)).includes(checkpointName)) return undefined;
  const text = Buffer.from(await files.read(join(folder, checkpointName)))
    .toString('utf8')
    .trim();
  const json = text.slice(9);
  if (text.slice(0, 8) === checksum(json)) return JSON.parse(json) as Position;
  logger.warn(
    'The journal checkpoint is damaged; every frame is replayed, which changes nothing that storage has already',
    { folder },
  );
  return undefined;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/** Copies damaged bytes to `damaged/`; false when the disk does not take them, which must not stop the start. */
async function keepAside(
  files: DurableFiles,
  folder: string,
  name: string,
  bytes: Buffer,
  damaged: readonly DamagedRange[],
  logger: Logger,
): Promise<boolean> {
  const aside = join(folder, damagedFolder);
  try {
    if (damaged.length > 0) await files.makeFolder(aside);
    for (const { start, end } of damaged) {
      await files.replace(join(aside, `${basename(name)}-${start}`), bytes.subarray(start, end));
    }
    return true;
  } catch (error) {
    logger.warn('Damaged bytes of the journal could not be copied; they stay where they are', {
      folder,
      error: describeError(error),
    });
    return false;
  }
}

function countDamage(report: ReplayReport, damaged: readonly DamagedRange[]): void {
  report.damagedRanges += damaged.length;
  report.damagedBytes += damaged.reduce((sum, { start, end }) => sum + end - start, 0);
}

async function removeReleased(
  files: DurableFiles,
  folder: string,
  segments: Segment[],
  checkpoint: number,
  notCopied: ReadonlySet<Segment>,
): Promise<Segment[]> {
  const kept = segments.filter(
    (segment) => notCopied.has(segment) || (segment.bytes > 0 && segment.lastSequence > checkpoint),
  );
  const removed = segments.filter((segment) => !kept.includes(segment));
  for (const { path } of removed) await files.remove(path);
  if (removed.length > 0) await files.syncFolder(folder);
  return kept;
}

/** The same bytes, not a copy: a segment is large. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
