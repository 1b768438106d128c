import { crc32 } from 'node:zlib';
import type { Frame } from '../journal/frame.ts';
import type { Journal } from '../journal/journal.ts';
import { keyOf } from '../storage/collection.ts';
import { StorageError } from '../storage/contract.ts';
import type { RefusedRecord } from './write-buffer.ts';

type Entry = Pick<Frame, 'type' | 'payload'>;

/**
 * The durable place for records that storage refuses for good: a journal of its own, in which each frame is one
 * record with the reason. It survives restarts, is never released by a flush, and keeps the same thing once, however
 * often a replay brings it.
 */
export class Quarantine {
  readonly #journal: Journal;
  readonly #kept: Set<string>;

  private constructor(journal: Journal, kept: Set<string>) {
    this.#journal = journal;
    this.#kept = kept;
  }

  /** @param open opens the journal, and visits each of its frames. */
  static async open(open: (visit: (frame: Frame) => void) => Promise<Journal>): Promise<Quarantine> {
    const kept = new Set<string>();
    const journal = await open((frame) => kept.add(identityOf(frame)));
    return new Quarantine(journal, kept);
  }

  get size(): number {
    return this.#kept.size;
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
    await this.#keep({ type: collection.name, payload: Buffer.from(JSON.stringify(entry)) });
  }

  /** Keeps a journal frame that this version cannot read, as it is; durable when it resolves. */
  async addFrame({ type, payload }: Frame): Promise<void> {
    await this.#keep({ type, payload });
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  async #keep(entry: Entry): Promise<void> {
    const identity = identityOf(entry);
    if (this.#kept.has(identity)) return;
    try {
      await this.#journal.append(entry.type, entry.payload);
    } catch (cause) {
      const advice =
        'The quarantine cannot be written: free its disk, or raise journal.bytes_max, and restart';
      throw new StorageError('pause', 'QUARANTINE_FAILED', advice, cause);
    }
    this.#kept.add(identity);
  }
}

function identityOf({ type, payload }: Entry): string {
  return `${type}/${payload.length}/${crc32(payload)}`;
}
