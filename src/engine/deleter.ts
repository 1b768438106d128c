import type { Collection } from '../storage/collection.ts';
import type { Condition, StoredRecord } from '../storage/contract.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { PendingDeletion } from './deletion.ts';
import type { RetryLoop } from './retry-loop.ts';

/** Rows of one transaction: it is over in milliseconds, and nobody waits long for its locks. */
const rowsOfOneRemoval = 500;

/** Carries deletions out in storage, in small steps; doing one again removes what is left of it. */
export class Deleter {
  readonly #registry: StorageRegistry;
  readonly #retry: RetryLoop;

  constructor(registry: StorageRegistry, retry: RetryLoop) {
    this.#registry = registry;
    this.#retry = retry;
  }

  async perform(deletion: PendingDeletion): Promise<void> {
    const { collection, key, version, dependents } = deletion;
    const backend = this.#registry.backendOf(collection);
    const stored = await this.#retry.untilItWorks(() => backend.read(collection, key));
    if (deletion.conditional && isNewer(stored, version)) return;
    // Known before anything is removed: what another instance still has of it is not stored any more.
    await this.#retry.untilItWorks(() => backend.markDeleted(collection, deletion));
    await this.#countDropped(deletion);
    const older: Condition = { field: 'version', is: 'at most', value: version };
    for (const dependent of dependents) {
      const ofRecord: Condition = { field: dependent.parent?.field ?? '', is: 'equal', value: key };
      await this.#remove(deletion, dependent, isNewer(stored, version) ? [ofRecord, older] : [ofRecord]);
    }
    await this.#remove(deletion, collection, [{ field: collection.key, is: 'equal', value: key }, older]);
  }

  /** What was dropped from the buffer counts as removed, unless storage has it too: then it is counted there. */
  async #countDropped(deletion: PendingDeletion): Promise<void> {
    for (const [collection, keys] of deletion.dropped) {
      const backend = this.#registry.backendOf(collection);
      const existing = await this.#retry.untilItWorks(() => backend.existing(collection, [...keys]));
      deletion.dropped.delete(collection);
      countRemoved(deletion, collection, keys.size - existing.size);
    }
  }

  async #remove(deletion: PendingDeletion, from: Collection, where: readonly Condition[]): Promise<void> {
    const keptSinceMs = deletion.keep ? deletion.deletedAtMs : undefined;
    const removal = { where, limit: rowsOfOneRemoval, keptSinceMs };
    for (let removed = rowsOfOneRemoval; removed === rowsOfOneRemoval; ) {
      removed = await this.#retry.untilItWorks(() => this.#registry.backendOf(from).remove(from, removal));
      countRemoved(deletion, from, removed);
    }
  }
}

function isNewer(stored: StoredRecord | undefined, version: number): boolean {
  return stored !== undefined && stored.version > version;
}

function countRemoved({ removed }: PendingDeletion, { name }: Collection, count: number): void {
  removed.set(name, (removed.get(name) ?? 0) + count);
}
