import { crc32 } from 'node:zlib';
import { invariant } from '../platform/errors.ts';

/**
 * One entry of the journal. On disk, integers little-endian:
 *
 *     offset  bytes
 *      0      4      magic FF 50 4A 31: FF never occurs in UTF-8, so no payload can look like a frame
 *      4      4      CRC-32 (IEEE) of everything behind it, to the end of the frame
 *      8      4      length of the payload
 *     12      2      length of the type
 *     14      2      zero, reserved
 *     16      8      sequence
 *     24      8      version
 *     32      …      type, in UTF-8
 *      …      …      payload
 */
export interface Frame {
  /** The place in the journal: 1 for the first frame ever, then one more each. */
  sequence: number;
  /** The time of acceptance, microseconds since the epoch, strictly increasing. */
  version: number;
  /** What the payload is: the name of a collection. */
  type: string;
  payload: Uint8Array;
}

/** Where a frame stands in the journal, and when it was accepted. */
export type Position = Pick<Frame, 'sequence' | 'version'>;

export const headerBytes = 32;
const magic = Buffer.from([0xff, 0x50, 0x4a, 0x31]);
const checkedFrom = 8;

/** The bytes of a frame, as two buffers: the payload is the caller's own, not a copy. */
export function encodeFrame(frame: Frame): [head: Uint8Array, payload: Uint8Array] {
  const typeBytes = Buffer.byteLength(frame.type, 'utf8');
  const head = Buffer.alloc(headerBytes + typeBytes);
  magic.copy(head, 0);
  head.writeUInt32LE(frame.payload.length, 8);
  head.writeUInt16LE(typeBytes, 12);
  writeSafeInteger(head, frame.sequence, 16);
  writeSafeInteger(head, frame.version, 24);
  head.write(frame.type, headerBytes, 'utf8');
  head.writeUInt32LE(crc32(frame.payload, crc32(head.subarray(checkedFrom))), 4);
  return [head, frame.payload];
}

/** Reads the frame that starts at `offset`; undefined when there is no whole, undamaged frame. */
export function decodeFrame(bytes: Buffer, offset: number): { frame: Frame; end: number } | undefined {
  if (offset + headerBytes > bytes.length) return undefined;
  if (bytes.compare(magic, 0, magic.length, offset, offset + magic.length) !== 0) return undefined;
  const payloadStart = offset + headerBytes + bytes.readUInt16LE(offset + 12);
  const end = payloadStart + bytes.readUInt32LE(offset + 8);
  if (end > bytes.length) return undefined;
  if (crc32(bytes.subarray(offset + checkedFrom, end)) !== bytes.readUInt32LE(offset + 4)) return undefined;
  const frame: Frame = {
    sequence: Number(bytes.readBigUInt64LE(offset + 16)),
    version: Number(bytes.readBigUInt64LE(offset + 24)),
    type: bytes.toString('utf8', offset + headerBytes, payloadStart),
    payload: bytes.subarray(payloadStart, end),
  };
  return { frame, end };
}

/** Where the next undamaged frame starts, at or behind `offset`; undefined when there is none. */
export function findFrame(bytes: Buffer, offset: number): number | undefined {
  for (let at = bytes.indexOf(magic, offset); at !== -1; at = bytes.indexOf(magic, at + 1)) {
    if (decodeFrame(bytes, at) !== undefined) return at;
  }
  return undefined;
}

function writeSafeInteger(target: Buffer, value: number, offset: number): void {
  invariant(Number.isSafeInteger(value) && value >= 0, `${value} is no safe integer`);
  target.writeUInt32LE(value % 0x1_0000_0000, offset);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
}
