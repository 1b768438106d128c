import type { Position } from '../journal/frame.ts';
import { invariant } from '../platform/errors.ts';
import {
  type Collection,
  changedFixedField,
  type GivenRecord,
  keyOf,
  knownFields,
  mergeRecords,
} from '../storage/collection.ts';
import type { PendingRecord } from '../storage/contract.ts';

/** A record in the buffer: everything of it is in the journal, from this frame on. */
export interface BufferedRecord extends PendingRecord {
  firstSequence: number;
}

/** A record that cannot be stored, and why. */
export interface RefusedRecord extends PendingRecord {
  collection: Collection;
  code: string;
  reason: string;
}

/** Everything that was in the buffer at one moment. */
export interface FlushSet {
  /** By collection, one entry per key. */
  records: ReadonlyMap<string, ReadonlyMap<string, BufferedRecord>>;
  refused: readonly RefusedRecord[];
  /** Once this set is stored, the journal is no longer needed up to here. */
  throughSequence: number;
}

type Entries = Map<string, Map<string, BufferedRecord>>;

/**
 * The accepted records that storage does not have yet, one entry per key; a later write merges into it.
 *
 * Two halves: `active` takes what is accepted; `take` moves all of it `in flight`, where it stays, unchanged,
 * until storage has it and `settle` drops it. A key can be in both: the half in flight is the older. A record that
 * has to wait for its parent is moved from flight to `held`, and is part of every later set until it need not wait.
 *
 * Invariants: frames are merged in the order of their sequences; at most one set is in flight.
 */
export class WriteBuffer {
  #active: Entries = new Map();
  #activeSize = 0;
  readonly #held = new Map<string, { collection: Collection; pending: BufferedRecord }>();
  #activeSince: number | undefined;
  #refused: RefusedRecord[] = [];
  #inFlight: FlushSet | undefined;
  #inFlightSince: number | undefined;
  #lastSequence = 0;

  /** Merges the records of one frame. */
  merge(collection: Collection, records: readonly GivenRecord[], { sequence, version }: Position): void {
    invariant(sequence > this.#lastSequence, `frame ${sequence} is merged after frame ${this.#lastSequence}`);
    this.#lastSequence = sequence;
    this.#activeSince ??= version;
    const entries = entriesOf(this.#active, collection);
    for (const given of records) {
      const record = knownFields(collection, given);
      const key = keyOf(collection, record);
      const changed = this.fixedFieldChangedBy(collection, record);
      if (changed !== undefined) {
        this.#refused.push(refusal(collection, record, version, changed));
        continue;
      }
      const older = entries.get(key);
      const entry = { record, version, firstVersion: version, firstSequence: sequence };
      entries.set(key, older === undefined ? entry : mergeOver(collection, older, entry));
      if (older === undefined) this.#activeSize += 1;
    }
  }

  /** The fixed field that a record would change of an entry with its key, or undefined. */
  fixedFieldChangedBy(collection: Collection, record: GivenRecord): string | undefined {
    const key = keyOf(collection, record);
    const entry =
      this.#active.get(collection.name)?.get(key) ??
      this.#inFlight?.records.get(collection.name)?.get(key) ??
      this.#held.get(heldKey(collection.name, key))?.pending;
    return entry === undefined ? undefined : changedFixedField(collection, entry.record, record);
  }

  has(collectionName: string, key: string): boolean {
    return (
      this.#active.get(collectionName)?.has(key) === true ||
      this.#inFlight?.records.get(collectionName)?.has(key) === true
    );
  }

  /** Moves everything in flight; undefined when there is nothing. */
  take(): FlushSet | undefined {
    invariant(this.#inFlight === undefined, 'one set is in flight at most');
    this.#activateHeld();
    if (this.#activeSize === 0 && this.#refused.length === 0) return undefined;
    this.#inFlight = { records: this.#active, refused: this.#refused, throughSequence: this.#lastSequence };
    this.#inFlightSince = this.#activeSince;
    this.#active = new Map();
    this.#activeSize = 0;
    this.#activeSince = undefined;
    this.#refused = [];
    return this.#inFlight;
  }

  /** Drops the set in flight: storage has it. */
  settle(set: FlushSet): void {
    invariant(this.#inFlight === set, 'only the set in flight can be settled');
    this.#inFlight = undefined;
    this.#inFlightSince = undefined;
  }

  /** Keeps a record of the set in flight for the next set: its parent is not stored yet. */
  hold(collection: Collection, pending: BufferedRecord): void {
    this.#held.set(heldKey(collection.name, keyOf(collection, pending.record)), { collection, pending });
  }

  get heldSize(): number {
    return this.#held.size;
  }

  /** The first frame that is still needed for a held record; infinity when none is held. */
  get oldestHeldSequence(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { pending } of this.#held.values()) oldest = Math.min(oldest, pending.firstSequence);
    return oldest;
  }

  /** Entries that wait for the next flush. */
  get waitingSize(): number {
    return this.#activeSize;
  }

  /** Entries that storage does not have yet. */
  get size(): number {
    let inFlight = 0;
    for (const entries of this.#inFlight?.records.values() ?? []) inFlight += entries.size;
    return this.#activeSize + inFlight + this.#held.size;
  }

  /** Entries of a collection that storage does not have yet. */
  sizeOf(collectionName: string): number {
    let held = 0;
    for (const { collection } of this.#held.values()) held += collection.name === collectionName ? 1 : 0;
    const active = this.#active.get(collectionName)?.size ?? 0;
    return held + active + (this.#inFlight?.records.get(collectionName)?.size ?? 0);
  }

  /** The last frame that was merged. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** The version of the oldest write that storage could have by now, in microseconds since the epoch: none that is held. */
  get oldestVersion(): number | undefined {
    return this.#inFlightSince ?? this.#activeSince;
  }

  #activateHeld(): void {
    for (const { collection, pending } of this.#held.values()) {
      const entries = entriesOf(this.#active, collection);
      const key = keyOf(collection, pending.record);
      const newer = entries.get(key);
      if (newer === undefined) this.#activeSize += 1;
      entries.set(key, newer === undefined ? pending : mergeOver(collection, pending, newer));
    }
    this.#held.clear();
  }
}

function mergeOver(collection: Collection, older: BufferedRecord, newer: BufferedRecord): BufferedRecord {
  return { ...older, record: mergeRecords(collection, older.record, newer.record), version: newer.version };
}

function heldKey(collectionName: string, key: string): string {
  return `${collectionName}/${key}`;
}

function entriesOf(entries: Entries, collection: Collection): Map<string, BufferedRecord> {
  let found = entries.get(collection.name);
  if (found === undefined) {
    found = new Map();
    entries.set(collection.name, found);
  }
  return found;
}

function refusal(collection: Collection, record: GivenRecord, version: number, field: string): RefusedRecord {
  return {
    collection,
    record,
    version,
    firstVersion: version,
    code: 'FIXED_FIELD_CHANGED',
    reason: `"${field}" of a record cannot change; an earlier write has another value`,
  };
}
