import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DurableFiles } from '../platform/durable-files.ts';
import type { Position } from './frame.ts';

/** Up to where storage has everything, as the checkpoint file says it. */
export interface Checkpoint {
  /** Undefined when no slot can be read, or there is no file. */
  position: Position | undefined;
  /** There is a file, and not all of it can be read. */
  damaged: boolean;
  /** The slot to write next; undefined when the whole file has to be made first. */
  nextSlot: number | undefined;
}

const checkpointName = 'checkpoint';
/** A slot has blocks of its own on every disk, so that a write to one never touches the other. */
const slotBytes = 4096;

/**
 * The file that says up to where storage has everything: two slots, written in turn, in place. A write needs no
 * space, so that a full disk does not keep the journal from being released; one that is cut short leaves the other
 * slot. The larger sequence counts.
 *
 * A slot is a line `<crc32 in hex> <json>`, filled up with spaces. Older versions wrote one short line.
 */
export class CheckpointFile {
  readonly #files: DurableFiles;
  readonly #path: string;
  #nextSlot: number | undefined;

  constructor(files: DurableFiles, folder: string, { nextSlot }: Checkpoint) {
    this.#files = files;
    this.#path = join(folder, checkpointName);
    this.#nextSlot = nextSlot;
  }

  /** Durable when it resolves. When it rejects, the position written before still counts, or this one already does. */
  async write(position: Position): Promise<void> {
    const slot = encodeSlot(position);
    if (this.#nextSlot === undefined) await this.#files.replace(this.#path, Buffer.concat([slot, slot]));
    else await this.#files.overwrite(this.#path, this.#nextSlot * slotBytes, slot);
    this.#nextSlot = this.#nextSlot === 0 ? 1 : 0;
  }
}

/** Reads the checkpoint of a journal's folder. */
export async function readCheckpoint(
  files: Pick<DurableFiles, 'list' | 'read'>,
  folder: string,
): Promise<Checkpoint> {
  if (!(await files.list(folder)).includes(checkpointName)) {
    return { position: undefined, damaged: false, nextSlot: undefined };
  }
  const bytes = Buffer.from(await files.read(join(folder, checkpointName)));
  const slots =
    bytes.length < slotBytes ? [bytes] : [bytes.subarray(0, slotBytes), bytes.subarray(slotBytes)];
  const [first, second] = slots.map(decodeSlot);
  const isSecondNewer = (second?.sequence ?? -1) > (first?.sequence ?? -1);
  const position = isSecondNewer ? second : first;
  const isWhole = bytes.length === 2 * slotBytes && position !== undefined;
  return {
    position,
    damaged: first === undefined || (slots.length > 1 && second === undefined),
    nextSlot: isWhole ? Number(!isSecondNewer) : undefined,
  };
}

function encodeSlot(position: Position): Buffer {
  const frameBytes = `${checksum('')} \n`.length;
  const json = JSON.stringify(position).padEnd(slotBytes - frameBytes);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

function decodeSlot(bytes: Buffer): Position | undefined {
  const [, sum, json = ''] = /^([0-9a-f]{8}) (.*)\n$/.exec(bytes.toString('latin1')) ?? [];
  return sum === checksum(json) ? (JSON.parse(json) as Position) : undefined;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
