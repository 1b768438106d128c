import type { GivenRecord } from '../storage/collection.ts';
import type { PendingRecord } from '../storage/contract.ts';

/** Records and bytes of one call to storage: preparing more than this would hold up requests for milliseconds. */
const chunkRecordsMax = 250;
const chunkBytesMax = 1024 * 1024;

/** Cuts entries, sorted by key, into chunks; writers that go by key rarely meet in a deadlock. */
export function* chunksByKey<Pending extends PendingRecord>(
  entries: ReadonlyMap<string, Pending>,
): Generator<Pending[]> {
  let chunk: Pending[] = [];
  let bytes = 0;
  const byKey = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [, pending] of byKey) {
    const recordBytes = approximateBytes(pending.record);
    if (chunk.length === chunkRecordsMax || (chunk.length > 0 && bytes + recordBytes > chunkBytesMax)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(pending);
    bytes += recordBytes;
  }
  if (chunk.length > 0) yield chunk;
}

function approximateBytes(record: GivenRecord): number {
  let bytes = 0;
  for (const value of Object.values(record)) {
    if (typeof value === 'string') bytes += Buffer.byteLength(value);
    else if (typeof value === 'object' && value !== null) bytes += Buffer.byteLength(JSON.stringify(value));
    else bytes += 8;
  }
  return bytes;
}
