import { decodeFrame, type Frame, findFrame } from './frame.ts';

/** A part of a segment: a frame, or bytes that are none. */
export interface Stretch {
  start: number;
  end: number;
  /** Undefined where the bytes are damaged. */
  frame: Frame | undefined;
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

/** The stretches of a segment, in order and without gaps; two damaged ones never meet. */
export function* scanSegment(bytes: Buffer): Generator<Stretch> {
  for (let start = 0; start < bytes.length; ) {
    const decoded = decodeFrame(bytes, start);
    const end = decoded?.end ?? findFrame(bytes, start + 1) ?? bytes.length;
    yield { start, end, frame: decoded?.frame };
    start = end;
  }
}

/** Where the damage starts with which a segment ends; undefined when it ends with a frame. */
export function tornEndOf(bytes: Buffer): number | undefined {
  let last: Stretch | undefined;
  for (const stretch of scanSegment(bytes)) last = stretch;
  return last === undefined || last.frame !== undefined ? undefined : last.start;
}
