import type { Frame } from '../journal/frame.ts';
import type { Collection, GivenRecord } from '../storage/collection.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import { decodeDeletions, deletedCollection } from './deletion.ts';
import type { WriteBuffer } from './write-buffer.ts';

/** What a replay brought back. */
export interface Replayed {
  records: number;
  /** Frames that this version cannot read, though they are undamaged: a later version wrote them. */
  unreadable: Frame[];
}

/** Puts the frames of a journal back into the buffer, one by one, in their order. */
export function replayInto(
  buffer: WriteBuffer,
  registry: StorageRegistry,
): { replayed: Replayed; visit: (frame: Frame) => void } {
  const replayed: Replayed = { records: 0, unreadable: [] };
  const visit = (frame: Frame): void => {
    if (replayDeletions(buffer, registry, frame)) return;
    const collection = registry.collection(frame.type);
    const records = collection === undefined ? undefined : recordsOf(collection, frame.payload);
    if (collection === undefined || records === undefined) {
      replayed.unreadable.push(frame);
      return;
    }
    buffer.merge(collection, records, frame);
    replayed.records += records.length;
  };
  return { replayed, visit };
}

/** False when the frame holds no deletions. */
function replayDeletions(buffer: WriteBuffer, registry: StorageRegistry, frame: Frame): boolean {
  const collection = registry.collection(deletedCollection(frame.type) ?? '');
  if (collection === undefined) return false;
  const deletions = decodeDeletions(collection, registry.dependentsOf(collection), frame, frame.payload);
  if (deletions === undefined) return false;
  buffer.delete(deletions, frame);
  return true;
}

/** The records of a journaled request, which were validated before they were accepted. */
function recordsOf(collection: Collection, payload: Uint8Array): GivenRecord[] | undefined {
  try {
    const body = JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown> | null;
    const records = body?.[collection.batchField];
    return Array.isArray(records) && records.every(isObject) ? records : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
