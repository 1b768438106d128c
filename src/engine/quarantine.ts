import type { Frame } from '../journal/frame.ts';
import type { Journal } from '../journal/journal.ts';
import { keyOf } from '../storage/collection.ts';
import type { RefusedRecord } from './write-buffer.ts';

/**
 * The durable place for records that storage refuses for good: a journal of its own, in which each frame is one
 * record with the reason. It survives restarts and is never released by a flush.
 */
export class Quarantine {
  readonly #journal: Journal;
  #size: number;

  /** @param size how many records the journal held when it was opened. */
  constructor(journal: Journal, size: number) {
    this.#journal = journal;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** Keeps a record; durable when it resolves. */
  async add(refused: RefusedRecord): Promise<void> {
    const { collection, record, version, firstVersion, code, reason } = refused;
    const entry = {
      key: keyOf(collection, record),
      code,
      reason,
      version,
      first_version: firstVersion,
      record,
    };
    await this.#journal.append(collection.name, Buffer.from(JSON.stringify(entry)));
    this.#size += 1;
  }

  /** Keeps a journal frame that this version cannot read, as it is; durable when it resolves. */
  async addFrame(frame: Frame): Promise<void> {
    await this.#journal.append(frame.type, frame.payload);
    this.#size += 1;
  }
}
