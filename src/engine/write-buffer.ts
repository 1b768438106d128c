import type { Frame, Position } from '../journal/frame.ts';
import { invariant } from '../platform/errors.ts';
import {
  type Collection,
  changedFixedField,
  type GivenRecord,
  keyOf,
  knownFields,
  mergeRecords,
} from '../storage/collection.ts';
import type { PendingDeletion } from './deletion.ts';
import { type BufferedRecord, type FlushSet, type RefusedRecord, sizeOf } from './flush-set.ts';
import { Kinship } from './kinship.ts';

type Entries = Map<string, Map<string, BufferedRecord>>;

/**
 * The accepted records that storage does not have yet, one entry per key; a later write merges into it.
 *
 * Two halves: `active` takes what is accepted; `take` moves all of it `in flight`, where it stays, unchanged,
 * until storage has it and `settle` drops it. A key can be in both: the half in flight is the older. A record that
 * has to wait for its parent is moved from flight to `held`, and is part of every later set until it need not wait.
 * A deletion drops what it concerns of `active` and `held`; what is in flight is stored first, and then deleted.
 *
 * Invariants: frames are merged in the order of their sequences; at most one set is in flight.
 */
export class WriteBuffer {
  #active: Entries = new Map();
  #activeKinship = new Kinship();
  #activeSize = 0;
  #activeBytes = 0;
  /** By `idOf` the deleted record, in their order: none of these has an entry in `active` or `held` that is older. */
  #deletions = new Map<string, PendingDeletion[]>();
  readonly #held = new Map<string, { collection: Collection; pending: BufferedRecord }>();
  #activeSince: number | undefined;
  #refused: RefusedRecord[] = [];
  #unreadable: Frame[] = [];
  #inFlight: FlushSet | undefined;
  #inFlightKinship = new Kinship();
  #inFlightSince: number | undefined;
  #inFlightBytes = 0;
  #lastSequence: number;

  /** @param lastSequence storage has everything up to this frame. */
  constructor(lastSequence = 0) {
    this.#lastSequence = lastSequence;
  }

  /**
   * Merges the records of one frame.
   * @param frameBytes what they take in it.
   */
  merge(
    collection: Collection,
    records: readonly GivenRecord[],
    position: Position,
    frameBytes: number,
  ): void {
    this.#advance(position);
    const { sequence, version } = position;
    const bytes = frameBytes / records.length;
    const entries = entriesOf(this.#active, collection);
    for (const given of records) {
      const record = knownFields(collection, given);
      const key = keyOf(collection, record);
      const older = entries.get(key);
      const changed =
        older === undefined
          ? this.fixedFieldChangedBy(collection, record)
          : changedFixedField(collection, older.record, record);
      if (changed !== undefined) {
        this.#refused.push(refusal(collection, record, version, changed));
        continue;
      }
      const entry =
        older === undefined
          ? { record, version, firstVersion: version, firstSequence: sequence, bytes }
          : mergeOver(collection, older, { record, version, bytes });
      this.#setActive(collection, entries, key, entry, older);
    }
  }

  /**
   * Takes in the deletions of one frame.
   * @returns those that hold: a conditional one does not while something newer waits here.
   */
  delete(deletions: readonly PendingDeletion[], position: Position): PendingDeletion[] {
    this.#advance(position);
    const holding = new Map(deletions.map((deletion) => [deletion.key, deletion]));
    if (deletions.some(({ conditional }) => conditional)) {
      for (const { deletion, pending } of this.#concernedBy(holding)) {
        if (deletion.conditional && pending.version > deletion.version) holding.delete(deletion.key);
      }
    }
    for (const { deletion, collection, key, half } of this.#concernedBy(holding)) {
      if (half === 'in flight') continue;
      if (half === 'held') this.#held.delete(idOf(collection.name, key));
      else this.#dropActive(collection, key);
      droppedOf(deletion, collection).add(key);
    }
    for (const deletion of holding.values()) {
      const id = idOf(deletion.collection.name, deletion.key);
      this.#deletions.set(id, [...(this.#deletions.get(id) ?? []), deletion]);
    }
    return [...holding.values()];
  }

  /** Takes in a frame that this version cannot read. */
  setAside(frame: Frame): void {
    this.#advance(frame);
    this.#unreadable.push(frame);
  }

  /** Goes on behind frames that cannot be had any more. */
  skipTo(sequence: number): void {
    this.#lastSequence = Math.max(this.#lastSequence, sequence);
  }

  /** The fixed field that a record would change of an entry with its key, or undefined. */
  fixedFieldChangedBy(collection: Collection, record: GivenRecord): string | undefined {
    const key = keyOf(collection, record);
    const entry =
      this.#active.get(collection.name)?.get(key) ??
      this.#undeletedInFlight(collection, key) ??
      this.#heldEntry(collection, key);
    return entry === undefined ? undefined : changedFixedField(collection, entry.record, record);
  }

  has(collection: Collection, key: string): boolean {
    return (
      this.#active.get(collection.name)?.has(key) === true ||
      this.#undeletedInFlight(collection, key) !== undefined
    );
  }

  /** Whether storage may still have a record that was deleted. */
  isDeleted(collection: Collection, key: string): boolean {
    const id = idOf(collection.name, key);
    const deleted =
      this.#deletions.has(id) ||
      this.#inFlight?.deletions.some((deletion) => idOf(deletion.collection.name, deletion.key) === id) ===
        true;
    return deleted && !this.has(collection, key);
  }

  /** Moves everything in flight; undefined when there is nothing. */
  take(): FlushSet | undefined {
    invariant(this.#inFlight === undefined, 'one set is in flight at most');
    this.#activateHeld();
    const others = this.#refused.length + this.#deletions.size + this.#unreadable.length;
    if (this.#activeSize + others === 0) {
      this.#activeSince = undefined;
      return undefined;
    }
    this.#inFlight = {
      deletions: [...this.#deletions.values()].flat(),
      records: this.#active,
      refused: this.#refused,
      unreadable: this.#unreadable,
      throughSequence: this.#lastSequence,
    };
    this.#inFlightSince = this.#activeSince;
    this.#inFlightBytes = this.#activeBytes;
    this.#inFlightKinship = this.#activeKinship;
    this.#active = new Map();
    this.#activeKinship = new Kinship();
    this.#activeSize = 0;
    this.#activeBytes = 0;
    this.#deletions = new Map();
    this.#activeSince = undefined;
    this.#refused = [];
    this.#unreadable = [];
    return this.#inFlight;
  }

  /** Drops the set in flight: storage has it. */
  settle(set: FlushSet): void {
    invariant(this.#inFlight === set, 'only the set in flight can be settled');
    this.#inFlight = undefined;
    this.#inFlightSince = undefined;
    this.#inFlightBytes = 0;
    this.#inFlightKinship = new Kinship();
  }

  /** Keeps a record of the set in flight for the next set: its parent is not stored yet. One that is deleted is dropped. */
  hold(collection: Collection, pending: BufferedRecord): void {
    const key = keyOf(collection, pending.record);
    const deletion = this.#deletionOf(collection, pending.record);
    if (deletion === undefined) this.#held.set(idOf(collection.name, key), { collection, pending });
    else droppedOf(deletion, collection).add(key);
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

  /** What the entries take in JSON, roughly, those that are held aside. */
  get bytes(): number {
    return this.#activeBytes + this.#inFlightBytes;
  }

  /** Entries and deletions that wait for the next flush. */
  get waitingSize(): number {
    return this.#activeSize + this.#deletions.size;
  }

  /** Entries that storage does not have yet. */
  get size(): number {
    const inFlight = this.#inFlight === undefined ? 0 : sizeOf(this.#inFlight);
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

  #advance({ sequence, version }: Position): void {
    invariant(sequence > this.#lastSequence, `frame ${sequence} is merged after frame ${this.#lastSequence}`);
    this.#lastSequence = sequence;
    this.#activeSince ??= version;
  }

  /** The first deletion, among those that wait for the next flush, that concerns a record. */
  #deletionOf(collection: Collection, record: GivenRecord): PendingDeletion | undefined {
    const { parent } = collection;
    const deletions =
      this.#deletions.get(idOf(collection.name, keyOf(collection, record))) ??
      (parent && this.#deletions.get(idOf(parent.collection, String(record[parent.field]))));
    return deletions?.[0];
  }

  #heldEntry(collection: Collection, key: string): BufferedRecord | undefined {
    return this.#held.size === 0 ? undefined : this.#held.get(idOf(collection.name, key))?.pending;
  }

  #undeletedInFlight(collection: Collection, key: string): BufferedRecord | undefined {
    const entry = this.#inFlight?.records.get(collection.name)?.get(key);
    return entry === undefined || this.#deletionOf(collection, entry.record) !== undefined
      ? undefined
      : entry;
  }

  /** Every entry of the records that deletions, by key, concern. */
  *#concernedBy(deletions: ReadonlyMap<string, PendingDeletion>) {
    const halves = [
      { half: 'active' as const, records: this.#active, kinship: this.#activeKinship },
      { half: 'in flight' as const, records: this.#inFlight?.records, kinship: this.#inFlightKinship },
    ];
    for (const deletion of deletions.values()) {
      for (const { half, records, kinship } of halves) {
        for (const collection of [deletion.collection, ...deletion.dependents]) {
          const isOwn = collection === deletion.collection;
          for (const key of isOwn ? [deletion.key] : kinship.childrenOf(deletion.key, collection)) {
            const pending = records?.get(collection.name)?.get(key);
            if (pending !== undefined) yield { deletion, collection, key, pending, half };
          }
        }
      }
    }
    for (const { collection, pending } of this.#held.values()) {
      const deletion = deletionAmong(deletions, collection, pending.record);
      const key = keyOf(collection, pending.record);
      if (deletion !== undefined) yield { deletion, collection, key, pending, half: 'held' as const };
    }
  }

  #setActive(
    collection: Collection,
    entries: Map<string, BufferedRecord>,
    key: string,
    entry: BufferedRecord,
    older: BufferedRecord | undefined,
  ): void {
    if (older === undefined) {
      this.#activeSize += 1;
      this.#activeKinship.add(collection, entry.record);
    }
    this.#activeBytes += entry.bytes - (older?.bytes ?? 0);
    entries.set(key, entry);
  }

  #dropActive(collection: Collection, key: string): void {
    const entries = entriesOf(this.#active, collection);
    const entry = entries.get(key);
    if (entry === undefined) return;
    this.#activeSize -= 1;
    this.#activeBytes -= entry.bytes;
    this.#activeKinship.delete(collection, entry.record);
    entries.delete(key);
  }

  #activateHeld(): void {
    for (const { collection, pending } of this.#held.values()) {
      const entries = entriesOf(this.#active, collection);
      const key = keyOf(collection, pending.record);
      const newer = entries.get(key);
      const entry = newer === undefined ? pending : mergeOver(collection, pending, newer);
      this.#setActive(collection, entries, key, entry, newer);
    }
    this.#held.clear();
  }
}

function mergeOver(
  collection: Collection,
  older: BufferedRecord,
  newer: Pick<BufferedRecord, 'record' | 'version' | 'bytes'>,
): BufferedRecord {
  return {
    record: mergeRecords(collection, older.record, newer.record),
    version: newer.version,
    firstVersion: older.firstVersion,
    firstSequence: older.firstSequence,
    bytes: Math.max(older.bytes, newer.bytes),
  };
}

/** The deletion of a record, or of the one that it belongs to. */
function deletionAmong(
  deletions: ReadonlyMap<string, PendingDeletion>,
  collection: Collection,
  record: GivenRecord,
): PendingDeletion | undefined {
  const own = deletions.get(keyOf(collection, record));
  if (own?.collection === collection) return own;
  const ofParent = deletions.get(String(record[collection.parent?.field ?? '']));
  return ofParent?.dependents.includes(collection) === true ? ofParent : undefined;
}

function droppedOf({ dropped }: PendingDeletion, collection: Collection): Set<string> {
  const keys = dropped.get(collection) ?? new Set();
  dropped.set(collection, keys);
  return keys;
}

function idOf(collectionName: string, key: string): string {
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
