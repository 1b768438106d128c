import type { DurableFiles } from '../platform/durable-files.ts';
import type { Frame } from './frame.ts';
import type { Segment } from './recovery.ts';
import { scanSegment } from './segment.ts';

/** So many bytes of a segment are in memory at a time, or as many as one frame or one damaged range takes. */
const partBytes = 1024 * 1024;

/** Reads frames of segments, and goes on where the last reading ended: a segment is large, and read in many turns. */
export class ReadBack {
  readonly #files: DurableFiles;
  readonly #partBytes: number;
  /** Behind which frame the last reading ended, and where that is. */
  #end = { sequence: 0, path: '', offset: 0 };

  /** @param bytes how much of a segment is read at a time. */
  constructor(files: DurableFiles, bytes = partBytes) {
    this.#files = files;
    this.#partBytes = bytes;
  }

  /**
   * The frames of a segment behind a sequence, in order, as far as the segment was written. Damage is stepped over.
   * The payload of one is overwritten by a later one: a segment's worth of bytes is not left to the garbage collector.
   */
  async *frames({ path, bytes }: Segment, sequence: number): AsyncGenerator<Frame> {
    let last = sequence;
    let offset = this.#end.path === path && this.#end.sequence === sequence ? this.#end.offset : 0;
    let room = Buffer.allocUnsafe(Math.min(this.#partBytes, bytes - offset));
    while (offset < bytes) {
      const asked = Math.min(room.length, bytes - offset);
      const filled = await this.#files.readInto(room.subarray(0, asked), path, offset);
      const isLast = offset + asked === bytes || filled < asked;
      let looked = 0;
      for (const { end, frame } of scanSegment(room.subarray(0, filled))) {
        // What is no frame may be the beginning of one.
        if (frame === undefined && end === filled && !isLast) break;
        looked = end;
        if (frame === undefined || frame.sequence <= last) continue;
        last = frame.sequence;
        this.#end = { sequence: last, path, offset: offset + end };
        yield frame;
      }
      if (isLast) return;
      offset += looked;
      if (looked === 0) room = Buffer.allocUnsafe(Math.min(room.length * 2, bytes - offset));
    }
  }
}
