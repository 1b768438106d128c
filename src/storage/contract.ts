import type { Collection, GivenRecord } from './collection.ts';

/**
 * A record on its way to storage. Versions are microseconds since the epoch, the time of acceptance, and strictly
 * increase within one instance: `version` of the last write merged into it, `firstVersion` of the first.
 */
export interface PendingRecord {
  record: GivenRecord;
  version: number;
  firstVersion: number;
}

/** The fields that storage adds to every record. */
interface Envelope {
  /** Milliseconds since the epoch of the first acceptance. */
  created_at: number;
  /** Milliseconds since the epoch of the last acceptance. */
  updated_at: number;
  /** Microseconds since the epoch of the last acceptance. */
  version: number;
}

/** A record as stored: every field of its collection, absent ones null; instants in milliseconds since the epoch. */
export type StoredRecord = Readonly<Record<string, unknown>> & Readonly<Envelope>;

export type Condition =
  | { field: string; is: 'equal'; value: string | number }
  | { field: string; is: 'any of'; values: readonly (string | number)[] }
  | { field: string; is: 'at least' | 'at most'; value: string | number }
  /** Letters from A to Z match in either case. */
  | { field: string; is: 'contains'; value: string };

export interface Query {
  /** All of them must hold. */
  where: readonly Condition[];
  /** Ties break by the key, in the same direction. */
  orderBy: { field: string; direction: 'asc' | 'desc' };
  limit: number;
  /** Skip this many rows … */
  offset?: number;
  /** … or, for deep paging that visits each row once, start behind this row of the same order. */
  after?: { value: string | number; key: string };
}

/**
 * That a record was deleted. What was accepted before it, of the record and of those that belong to it, has no
 * effect any more, whoever brings it and however late.
 */
export interface Deletion {
  key: string;
  /** Microseconds since the epoch: writes up to this version are older than the deletion. */
  version: number;
  /** Milliseconds since the epoch, from which `purge` counts. */
  deletedAtMs: number;
}

/** How `remove` removes. */
export interface Removal {
  where: readonly Condition[];
  /** At most so many records in one call, which is one transaction. */
  limit: number;
  /** Since when they are deleted: they are kept aside until `purge`. Undefined: they are gone at once. */
  keptSinceMs?: number | undefined;
}

/** A length of time: between two instants of a record, or what a field says in milliseconds. */
export type Duration = { field: string } | { from: string; to: string };

/** How a large table is counted. */
export interface CountOptions {
  /** What is being written in that moment may be counted or not, committed or not: it is quicker, and holds up nobody. */
  rough?: boolean;
}

/**
 * A place that keeps records. Implementations hold all SQL and all drivers; `docs/adding-a-storage-plugin.md`
 * is the guide, and `test/contract` the suite that every one passes.
 *
 * Every method rejects with a `StorageError` and nothing else. A method may be called before storage can be
 * reached: it then tries to reach it, and rejects with the remedy `retry` while that fails.
 */
export interface StorageBackend {
  /** The plugin's name, for people: `sqlite`, `mysql`. */
  readonly kind: string;

  /** Connects and brings the tables up to date; one instance at a time, repeats change nothing. */
  open(): Promise<void>;

  /**
   * Inserts or updates records of one collection, of which none has the key of another. Durable when it resolves.
   * Not atomic: after a rejection any of the records may be stored, and the same call may be repeated.
   * Two calls may run at the same time, with different keys.
   * - A field with the rule `newest` is set if the record's version is not older than the stored one; a field
   *   that the record does not give stays; null clears it.
   * - A field with the rule `greatest` takes the larger value, whichever version is older.
   * - A different value for a `fixed` field is refused.
   * - A record that does not give every required field changes a stored one, and does nothing where there is none.
   * - A record that is not newer than its deletion, or than that of the record it belongs to, is left out.
   * - `created_at` becomes the smallest first version seen, `updated_at` and `version` the largest version.
   */
  write(collection: Collection, records: readonly PendingRecord[]): Promise<void>;

  read(collection: Collection, key: string): Promise<StoredRecord | undefined>;

  /** Which of these keys are stored. */
  existing(collection: Collection, keys: readonly string[]): Promise<Set<string>>;

  query(collection: Collection, query: Query): Promise<StoredRecord[]>;

  /** How many records match; at most `upTo`, where the rest is not looked at. */
  count(
    collection: Collection,
    where: readonly Condition[],
    options?: CountOptions & { upTo?: number },
  ): Promise<number>;

  /** How many records have each value of a field. */
  countBy(
    collection: Collection,
    field: string,
    options?: CountOptions,
  ): Promise<ReadonlyMap<string, number>>;

  /** The mean in milliseconds over the records that match and have it; undefined when there are none. */
  averageMs(
    collection: Collection,
    where: readonly Condition[],
    duration: Duration,
    options?: CountOptions,
  ): Promise<number | undefined>;

  /** What the collections take on the server's disk, as far as it says. */
  sizeBytes(): Promise<number>;

  /** Makes a deletion known to `write`, of every instance, until it is purged; the newest of a record counts. */
  markDeleted(collection: Collection, deletion: Deletion): Promise<void>;

  /** Removes records, and those that belong to them; returns how many of this collection. */
  remove(collection: Collection, removal: Removal): Promise<number>;

  /** Forgets up to `limit` deletions from before an instant, and removes what was kept aside; returns how many. */
  purge(beforeMs: number, limit: number): Promise<number>;

  /** Does something that only one instance may do at a time; undefined, at once, while another does it. */
  exclusively<T>(name: string, action: () => Promise<T>): Promise<T | undefined>;

  /** Resolves when storage answers. */
  healthCheck(): Promise<void>;

  close(): Promise<void>;
}

/**
 * What to do about an error of storage:
 * - `retry`: an outage; the same call will work one day.
 * - `pause`: the set-up is wrong (a missing table, no privilege); a person has to act, then the same call works.
 * - `split`: the call was too large; smaller ones may work.
 * - `refuse`: some record of the call will never be stored as it is.
 * - `unknown`: none of the above is known; treated as `retry`.
 */
export type Remedy = 'retry' | 'pause' | 'split' | 'refuse' | 'unknown';

/** Whatever a storage backend rejects with. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly remedy: Remedy;
  /** The server's or driver's own code, such as `ER_LOCK_DEADLOCK`. */
  readonly code: string;

  constructor(remedy: Remedy, code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.remedy = remedy;
    this.code = code;
  }
}

/** The query for the one record with a key. */
export function queryOfKey(collection: Collection, key: string): Query {
  return {
    where: [{ field: collection.key, is: 'equal', value: key }],
    orderBy: { field: collection.key, direction: 'asc' },
    limit: 1,
  };
}

/** Visits all records that match, in the order of a field and then of their keys, a page at a time in memory. */
export async function* scan(
  backend: StorageBackend,
  collection: Collection,
  where: readonly Condition[],
  { by = collection.key, pageRows = 500 } = {},
): AsyncGenerator<StoredRecord> {
  const orderBy = { field: by, direction: 'asc' } as const;
  let after: Query['after'];
  for (;;) {
    const page = await backend.query(collection, {
      where,
      orderBy,
      limit: pageRows,
      ...(after === undefined ? {} : { after }),
    });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageRows) return;
    after = { value: last[by] as string | number, key: String(last[collection.key]) };
  }
}
