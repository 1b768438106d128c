import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Position } from '../journal/frame.ts';
import type { Collection } from '../storage/collection.ts';
import type { Deletion } from '../storage/contract.ts';

/** What is asked to be deleted: a record, with all that belongs to it. */
const DeletionRequest = Type.Object({
  key: Type.String(),
  /**
   * Only if nothing of it was accepted after this version. Without it, everything accepted before the request is
   * deleted.
   */
  unlessNewerThan: Type.Optional(Type.Integer()),
  /** The rows are kept aside until they are purged. */
  keep: Type.Boolean(),
});
export type DeletionRequest = Static<typeof DeletionRequest>;

/** What a deletion's journal frame holds. */
const DeletionFrame = Type.Object({
  deleted_at_ms: Type.Integer(),
  deletions: Type.Array(DeletionRequest),
});

/** A deletion on its way to storage, in the order of the journal. */
export interface PendingDeletion extends Deletion {
  collection: Collection;
  /** Those whose records belong to records of `collection`. */
  dependents: readonly Collection[];
  keep: boolean;
  conditional: boolean;
  /** What it took out of the buffer that storage may not have, by collection; emptied once it is counted. */
  dropped: Map<Collection, Set<string>>;
  /** What it removed, of the buffer and of storage, by the name of the collection; complete once it is flushed. */
  removed: Map<string, number>;
}

const suffix = '/delete';

/** The type of the frames that hold deletions of a collection. */
export const deletionType = ({ name }: Collection): string => name + suffix;

/** The name of the collection whose deletions a frame of this type holds; undefined when it holds none. */
export function deletedCollection(frameType: string): string | undefined {
  return frameType.endsWith(suffix) ? frameType.slice(0, -suffix.length) : undefined;
}

export function encodeDeletions(requests: readonly DeletionRequest[], deletedAtMs: number): Uint8Array {
  return Buffer.from(JSON.stringify({ deleted_at_ms: deletedAtMs, deletions: requests }));
}

/** Reads a frame back; undefined when it is none of this version's. */
export function decodeDeletions(
  collection: Collection,
  dependents: readonly Collection[],
  { version }: Position,
  payload: Uint8Array,
): PendingDeletion[] | undefined {
  const frame = frameOf(payload);
  return frame?.deletions.map(({ key, unlessNewerThan, keep }) => ({
    collection,
    dependents,
    key,
    version: unlessNewerThan ?? version,
    deletedAtMs: frame.deleted_at_ms,
    keep,
    conditional: unlessNewerThan !== undefined,
    dropped: new Map(),
    removed: new Map(),
  }));
}

function frameOf(payload: Uint8Array): Static<typeof DeletionFrame> | undefined {
  try {
    const frame: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    return Value.Check(DeletionFrame, frame) ? frame : undefined;
  } catch {
    return undefined;
  }
}
