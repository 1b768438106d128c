import { decodeFrame, type Frame, findFrame } from './frame.ts';

/** Bytes of a segment that are no frame. */
export interface DamagedRange {
  start: number;
  end: number;
  /** Nothing behind it is a frame: what a crash in the middle of a write leaves. */
  atEnd: boolean;
}

/** A segment is named after the sequence of its first frame, with digits enough that names sort by it. */
export function segmentName(firstSequence: number): string {
  return `${String(firstSequence).padStart(16, '0')}.journal`;
}

/** The first sequence of a segment with this file name; undefined for any other file. */
export function firstSequenceOf(name: string): number | undefined {
  const digits = /^(\d{16})\.journal$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The frames of a segment in order, and the ranges between them that are none. */
export function* framesOf(
  bytes: Buffer,
): Generator<{ frame: Frame; damaged?: never } | { frame?: never; damaged: DamagedRange }> {
  for (let offset = 0; offset < bytes.length; ) {
    const decoded = decodeFrame(bytes, offset);
    if (decoded !== undefined) {
      yield { frame: decoded.frame };
      offset = decoded.end;
      continue;
    }
    const next = findFrame(bytes, offset + 1);
    yield { damaged: { start: offset, end: next ?? bytes.length, atEnd: next === undefined } };
    offset = next ?? bytes.length;
  }
}

/**
 * Visits the frames of a segment in order, stepping over whatever is damaged.
 * @returns the damaged ranges.
 */
export function scanSegment(bytes: Buffer, visit: (frame: Frame) => void): DamagedRange[] {
  const damagedRanges: DamagedRange[] = [];
  for (const { frame, damaged } of framesOf(bytes)) {
    if (frame === undefined) damagedRanges.push(damaged);
    else visit(frame);
  }
  return damagedRanges;
}
