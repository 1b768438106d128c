import type { Clock } from '../platform/clock.ts';
import type { Collection } from '../storage/collection.ts';
import type { PendingRecord } from '../storage/contract.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { ChunkWriter } from './chunk-writer.ts';
import type { BufferedRecord } from './flush-set.ts';
import type { RetryLoop } from './retry-loop.ts';
import type { WriteBuffer } from './write-buffer.ts';

/** So many records wait for their parents at most: each takes memory, and keeps its part of the journal. */
const heldRecordsMax = 50_000;

/** Lets records wait for the record that they belong to, for a time. */
export class Orphans {
  readonly #parts: { buffer: WriteBuffer; registry: StorageRegistry; clock: Clock };
  readonly #holdMsMax: number;
  readonly #retry: RetryLoop;
  readonly #writer: ChunkWriter;

  constructor(
    parts: { buffer: WriteBuffer; registry: StorageRegistry; clock: Clock },
    holdMsMax: number,
    retry: RetryLoop,
    writer: ChunkWriter,
  ) {
    this.#parts = parts;
    this.#holdMsMax = holdMsMax;
    this.#retry = retry;
    this.#writer = writer;
  }

  /** Those records whose parent storage has; the others are held for a later flush, or quarantined. */
  async putAside(
    collection: Collection,
    records: readonly BufferedRecord[],
  ): Promise<readonly BufferedRecord[]> {
    const { registry } = this.#parts;
    const parent = registry.collection(collection.parent?.collection ?? '');
    if (parent === undefined) return records;
    const parentOf = ({ record }: PendingRecord): string => String(record[collection.parent?.field ?? '']);
    const named = [...new Set(records.map(parentOf))];
    const existing = await this.#retry.untilItWorks(() => registry.backendOf(parent).existing(parent, named));
    for (const pending of records) {
      if (!existing.has(parentOf(pending))) await this.#hold(collection, pending, parent, parentOf(pending));
    }
    return records.filter((pending) => existing.has(parentOf(pending)));
  }

  async #hold(
    collection: Collection,
    pending: BufferedRecord,
    parent: Collection,
    parentKey: string,
  ): Promise<void> {
    const { buffer, clock } = this.#parts;
    const isOnTime = clock.nowMs() - pending.firstVersion / 1000 <= this.#holdMsMax;
    if (buffer.has(parent, parentKey) || (isOnTime && buffer.heldSize < heldRecordsMax)) {
      buffer.hold(collection, pending);
      return;
    }
    const reason = isOnTime
      ? `The session "${parentKey}" has not arrived, and ${heldRecordsMax} other records wait for theirs`
      : `The session "${parentKey}" did not arrive within ${this.#holdMsMax / 1000} s`;
    await this.#writer.refuse({ ...pending, collection, code: 'PARENT_MISSING', reason });
  }
}
