import type { Frame, Position } from '../journal/frame.ts';
import type { Journal } from '../journal/journal.ts';
import type { Collection, GivenRecord } from '../storage/collection.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import { decodeDeletions, deletedCollection, type PendingDeletion } from './deletion.ts';
import type { WriteBuffer } from './write-buffer.ts';

/** What was read back from the journal since the start. */
export interface Replayed {
  records: number;
  /** Frames that this version cannot read, though they are undamaged: a later version wrote them. */
  unreadableFrames: number;
}

/**
 * Everything accepted that storage does not have: the first part of it in the buffer, and, when that is full, the
 * rest in the journal only, from where it is read back as the buffer drains.
 *
 * Modes: complete in memory, where accepted records go into the buffer at once; `isBehind`, where they go to the
 * journal only. A start begins behind, with what the last run left.
 *
 * Invariant: the buffer gets every frame once, in the order of the journal.
 */
export class Backlog {
  readonly #journal: Journal;
  readonly #buffer: WriteBuffer;
  readonly #registry: StorageRegistry;
  readonly #bytesMax: number;
  /** Deletions whose frames are on disk only, for those who wait for what they remove; by sequence. */
  readonly #announced = new Map<number, readonly PendingDeletion[]>();
  readonly #startedBehind: number;
  readonly replayed: Replayed = { records: 0, unreadableFrames: 0 };
  #lastSequence: number;
  #isBehind: boolean;

  /** @param parts `bytesMax`: how much the buffer may hold, in JSON. */
  constructor(parts: { journal: Journal; buffer: WriteBuffer; registry: StorageRegistry; bytesMax: number }) {
    this.#journal = parts.journal;
    this.#buffer = parts.buffer;
    this.#registry = parts.registry;
    this.#bytesMax = parts.bytesMax;
    this.#lastSequence = parts.journal.lastSequence;
    this.#startedBehind = this.#lastSequence;
    this.#isBehind = this.#buffer.lastSequence < this.#lastSequence;
  }

  /** The last frame that was accepted. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** A part of it is on disk only: nobody knows what records it has. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  addRecords(
    collection: Collection,
    records: readonly GivenRecord[],
    position: Position,
    frameBytes: number,
  ): void {
    if (this.#takesOver(position, frameBytes)) this.#buffer.merge(collection, records, position, frameBytes);
  }

  /** @returns those that hold, as far as it is known. */
  addDeletions(deletions: readonly PendingDeletion[], position: Position): readonly PendingDeletion[] {
    if (this.#takesOver(position, 0)) return this.#buffer.delete(deletions, position);
    this.#announced.set(position.sequence, deletions);
    return deletions;
  }

  /** Reads back what is on disk only, as far as the buffer may be filled with it. */
  async refill(): Promise<void> {
    while (this.#isBehind && this.#buffer.bytes < this.#readBackBytesMax) {
      const target = this.#lastSequence;
      await this.#readBack();
      // What could not be read back up to here is damaged: the journal has said so.
      if (this.#buffer.lastSequence < target && this.#buffer.bytes < this.#readBackBytesMax) {
        this.#buffer.skipTo(target);
      }
      this.#isBehind = this.#buffer.lastSequence < this.#lastSequence;
    }
  }

  async #readBack(): Promise<void> {
    for await (const frame of this.#journal.read(this.#buffer.lastSequence)) {
      this.#replay(frame);
      // From here on, in this very turn, what is accepted goes into the buffer.
      this.#isBehind = frame.sequence < this.#lastSequence;
      if (!this.#isBehind || this.#buffer.bytes >= this.#readBackBytesMax) return;
    }
  }

  /** A quarter of the buffer: what comes meanwhile has room, and a set is not large. */
  get #readBackBytesMax(): number {
    return this.#bytesMax / 4;
  }

  /** False when the frame stays on disk for now. */
  #takesOver({ sequence }: Position, frameBytes: number): boolean {
    this.#lastSequence = sequence;
    const { bytes } = this.#buffer;
    if (bytes > 0 && bytes + frameBytes > this.#bytesMax) this.#isBehind = true;
    return !this.#isBehind;
  }

  #replay(frame: Frame): void {
    if (this.#replayDeletions(frame)) return;
    const collection = this.#registry.collection(frame.type);
    const records = collection === undefined ? undefined : recordsOf(collection, frame.payload);
    if (collection === undefined || records === undefined) {
      // The bytes of a whole segment would be kept with it.
      this.#buffer.setAside({ ...frame, payload: frame.payload.slice() });
      this.replayed.unreadableFrames += 1;
      return;
    }
    this.#buffer.merge(collection, records, frame, frame.payload.length);
    if (frame.sequence <= this.#startedBehind) this.replayed.records += records.length;
  }

  /** False when the frame holds no deletions. */
  #replayDeletions(frame: Frame): boolean {
    const collection = this.#registry.collection(deletedCollection(frame.type) ?? '');
    if (collection === undefined) return false;
    const announced = this.#announced.get(frame.sequence);
    this.#announced.delete(frame.sequence);
    const deletions =
      announced ?? decodeDeletions(collection, this.#registry.dependentsOf(collection), frame, frame.payload);
    if (deletions === undefined) return false;
    this.#buffer.delete(deletions, frame);
    return true;
  }
}

/** The records of a journaled request, which were validated before they were accepted. */
function recordsOf(collection: Collection, payload: Uint8Array): GivenRecord[] | undefined {
  try {
    const body = JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown> | null;
    const records = body?.[collection.batchField];
    return Array.isArray(records) && records.every(isObject) ? records : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
