import type { GivenRecord } from '../storage/collection.ts';
import type { BufferedRecord } from './flush-set.ts';

/**
 * Records and bytes of one call to storage, which is one transaction: each costs a sync of storage's own log. A flush
 * that starts at a thousand records has some more by then, which are not worth a transaction of their own.
 */
const chunkRecordsMax = 1500;
const chunkBytesMax = 1024 * 1024;
/** To sort a large set at once would hold up requests for many milliseconds. */
const sortedAtATime = 4 * chunkRecordsMax;

/** Cuts entries into chunks, each sorted by key: writers that go by key rarely meet in a deadlock. */
export function* chunksByKey(entries: ReadonlyMap<string, BufferedRecord>): Generator<BufferedRecord[]> {
  let sorted: [string, BufferedRecord][] = [];
  for (const entry of entries) {
    sorted.push(entry);
    if (sorted.length < sortedAtATime) continue;
    yield* chunksOf(sorted);
    sorted = [];
  }
  yield* chunksOf(sorted);
}

function* chunksOf(entries: [string, BufferedRecord][]): Generator<BufferedRecord[]> {
  entries.sort(([one], [other]) => (one < other ? -1 : 1));
  // Chunks of about the same size: two are written at a time.
  const records = Math.ceil(entries.length / Math.ceil(entries.length / chunkRecordsMax));
  let chunk: BufferedRecord[] = [];
  let bytes = 0;
  for (const [, pending] of entries) {
    const recordBytes = approximateBytes(pending.record);
    if (chunk.length === records || (chunk.length > 0 && bytes + recordBytes > chunkBytesMax)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(pending);
    bytes += recordBytes;
  }
  if (chunk.length > 0) yield chunk;
}

/** By the record itself: what the buffer knows is the mean of a frame, in which one may be much larger than others. */
function approximateBytes(record: GivenRecord): number {
  let bytes = 0;
  for (const value of Object.values(record)) {
    if (typeof value === 'string') bytes += Buffer.byteLength(value);
    else if (typeof value === 'object' && value !== null) bytes += Buffer.byteLength(JSON.stringify(value));
    else bytes += 8;
  }
  return bytes;
}
