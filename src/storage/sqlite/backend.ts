import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeError } from '../../platform/errors.ts';
import { tryLockFile } from '../../platform/file-lock.ts';
import type { Collection } from '../collection.ts';
import {
  type Condition,
  type Deletion,
  type Duration,
  type PendingRecord,
  type Query,
  queryOfKey,
  type Removal,
  type StorageBackend,
  StorageError,
  type StoredRecord,
} from '../contract.ts';
import { StoreThread } from './store-thread.ts';

/**
 * Keeps records in one SQLite file, the embedded default. bun:sqlite runs each call to its end, so one thread writes,
 * another reads, and a third looks up single keys: a batch waits for that, and does not wait for a long list or for
 * statistics. In WAL mode none holds up another.
 */
export class SqliteBackend implements StorageBackend {
  readonly kind = 'sqlite';
  readonly #path: string;
  readonly #writer: StoreThread;
  readonly #reader: StoreThread;
  readonly #lookup: StoreThread;
  #opening: Promise<void> | undefined;

  /** @param path the database file; its folder is created when missing. */
  constructor(path: string) {
    this.#path = path;
    this.#writer = new StoreThread(path, 'writer');
    this.#reader = new StoreThread(path, 'reader');
    this.#lookup = new StoreThread(path, 'reader');
  }

  open(): Promise<void> {
    this.#opening ??= this.#openThreads().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async write(collection: Collection, records: readonly PendingRecord[]): Promise<void> {
    await this.open();
    await this.#writer.call('write', collection, JSON.stringify(records));
  }

  async read(collection: Collection, key: string): Promise<StoredRecord | undefined> {
    await this.open();
    const [record] = recordsOf(await this.#lookup.call('query', collection, queryOfKey(collection, key)));
    return record;
  }

  async existing(collection: Collection, keys: readonly string[]): Promise<Set<string>> {
    await this.open();
    return new Set(await this.#lookup.call('existing', collection, keys));
  }

  async query(collection: Collection, query: Query): Promise<StoredRecord[]> {
    await this.open();
    return recordsOf(await this.#reader.call('query', collection, query));
  }

  async count(
    collection: Collection,
    where: readonly Condition[],
    { upTo }: { upTo?: number } = {},
  ): Promise<number> {
    await this.open();
    return await this.#reader.call('count', collection, where, upTo);
  }

  async countBy(collection: Collection, field: string): Promise<ReadonlyMap<string, number>> {
    await this.open();
    return await this.#reader.call('countBy', collection, field);
  }

  async averageMs(
    collection: Collection,
    where: readonly Condition[],
    duration: Duration,
  ): Promise<number | undefined> {
    await this.open();
    return await this.#reader.call('averageMs', collection, where, duration);
  }

  async sizeBytes(): Promise<number> {
    await this.open();
    return await this.#reader.call('sizeBytes');
  }

  async markDeleted(collection: Collection, deletion: Deletion): Promise<void> {
    await this.open();
    await this.#writer.call('markDeleted', collection, deletion);
  }

  async remove(collection: Collection, removal: Removal): Promise<number> {
    await this.open();
    return await this.#writer.call('remove', collection, removal);
  }

  async purge(beforeMs: number, limit: number): Promise<number> {
    await this.open();
    return await this.#writer.call('purge', beforeMs, limit);
  }

  async exclusively<T>(name: string, action: () => Promise<T>): Promise<T | undefined> {
    await this.open();
    const release = tryLockFile(`${this.#path}.${name}.lock`);
    if (release === undefined) return undefined;
    try {
      return await action();
    } finally {
      release();
    }
  }

  async healthCheck(): Promise<void> {
    await this.open();
    await this.#lookup.call('healthCheck');
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#lookup.close();
    await this.#reader.close();
    await this.#writer.close();
    this.#opening = undefined;
  }

  async #openThreads(): Promise<void> {
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o750 });
    } catch (error) {
      throw new StorageError('retry', 'SQLITE_CANTOPEN', describeError(error), error);
    }
    await this.#writer.open();
    // Nothing waits for these two before the first read: that one opens them too, if they cannot be opened now.
    void Promise.allSettled([this.#reader.open(), this.#lookup.open()]);
  }
}

function recordsOf(json: string): StoredRecord[] {
  return JSON.parse(json) as StoredRecord[];
}
