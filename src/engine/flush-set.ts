import type { Frame } from '../journal/frame.ts';
import type { Collection } from '../storage/collection.ts';
import type { PendingRecord } from '../storage/contract.ts';
import type { PendingDeletion } from './deletion.ts';

/** A record in the buffer: everything of it is in the journal, from this frame on. */
export interface BufferedRecord extends PendingRecord {
  firstSequence: number;
  /** What it takes in JSON, roughly. */
  bytes: number;
}

/** A record that cannot be stored, and why. */
export interface RefusedRecord extends PendingRecord {
  collection: Collection;
  code: string;
  reason: string;
}

/** Everything that was in the buffer at one moment. */
export interface FlushSet {
  /** Everything in `records` was accepted after them. */
  deletions: readonly PendingDeletion[];
  /** By collection, one entry per key. */
  records: ReadonlyMap<string, ReadonlyMap<string, BufferedRecord>>;
  refused: readonly RefusedRecord[];
  /** Frames that this version cannot read, though they are undamaged: a later version wrote them. */
  unreadable: readonly Frame[];
  /** Once this set is stored, the journal is no longer needed up to here. */
  throughSequence: number;
}

/** How many records a set has. */
export function sizeOf({ records }: FlushSet): number {
  let size = 0;
  for (const entries of records.values()) size += entries.size;
  return size;
}
