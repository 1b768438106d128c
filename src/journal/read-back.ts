import type { DurableFiles } from '../platform/durable-files.ts';
import type { Frame } from './frame.ts';
import type { Segment } from './recovery.ts';
import { scanSegment } from './segment.ts';

/** So many bytes of a segment are in memory at a time, or as many as one frame or one damaged range takes. */
const partBytes = 4 * 1024 * 1024;

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

  /** The frames of a segment behind a sequence, in order, as far as the segment was written. Damage is stepped over. */
  async *frames({ path, bytes }: Segment, sequence: number): AsyncGenerator<Frame> {
    let last = sequence;
    let offset = this.#end.path === path && this.#end.sequence === sequence ? this.#end.offset : 0;
    for (let length = this.#partBytes; offset < bytes; ) {
      const asked = Math.min(length, bytes - offset);
      const part = bufferOf(await this.#files.readPart(path, offset, asked));
      const isLast = offset + asked === bytes || part.length < asked;
      let looked = 0;
      for (const { end, frame } of scanSegment(part)) {
        // What is no frame may be the beginning of one.
        if (frame === undefined && end === part.length && !isLast) break;
        looked = end;
        if (frame === undefined || frame.sequence <= last) continue;
        last = frame.sequence;
        this.#end = { sequence: last, path, offset: offset + end };
        yield frame;
      }
      if (isLast) return;
      offset += looked;
      length = looked === 0 ? length * 2 : this.#partBytes;
    }
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
