import { LRUCache } from 'lru-cache';
import type { Journal } from '../journal/journal.ts';
import { type Clock, withTimeLimit } from '../platform/clock.ts';
import { type FieldProblem, fieldProblemsMax, ServiceError } from '../platform/errors.ts';
import { type Collection, type GivenRecord, keyOf } from '../storage/collection.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { Flusher } from './flusher.ts';
import type { WriteBuffer } from './write-buffer.ts';

export interface Accepted {
  count: number;
  /** Milliseconds since the epoch. */
  acceptedAtMs: number;
}

/** A batch as it came: its validated records, and the bytes of the request they were in. */
export interface Batch {
  records: readonly GivenRecord[];
  bytes: Uint8Array;
}

/** How many parent ids are remembered as existing, so that most batches ask storage nothing. */
const knownParentsMax = 100_000;
/** How long storage may take to say whether a parent exists, before the batch is accepted without its answer. */
const parentLookupLimitMs = 500;

/** What happens to records whose parent was never accepted: the batch is refused, or they wait for it. */
export type UnknownParentPolicy = 'reject' | 'hold';

/** The first half of a record's way: batch → checks → journal → buffer → accepted. */
export class Intake {
  readonly #journal: Journal;
  readonly #buffer: WriteBuffer;
  readonly #flusher: Flusher;
  readonly #registry: StorageRegistry;
  readonly #clock: Clock;
  readonly #unknownParent: UnknownParentPolicy;
  readonly #knownParents = new LRUCache<string, true>({ max: knownParentsMax });

  constructor(parts: {
    journal: Journal;
    buffer: WriteBuffer;
    flusher: Flusher;
    registry: StorageRegistry;
    clock: Clock;
    unknownParent: UnknownParentPolicy;
  }) {
    this.#journal = parts.journal;
    this.#buffer = parts.buffer;
    this.#flusher = parts.flusher;
    this.#registry = parts.registry;
    this.#clock = parts.clock;
    this.#unknownParent = parts.unknownParent;
  }

  /**
   * Accepts a batch whole, or not at all. Durable when it resolves, as far as the journal's sync mode says.
   * @throws ServiceError SESSION_NOT_FOUND, TASK_SESSION_MISMATCH, JOURNAL_FULL, JOURNAL_FAILED, NOT_ACCEPTING.
   */
  async accept(collection: Collection, batch: Batch): Promise<Accepted> {
    const refusal = this.#journal.refusal(batch.bytes.length);
    if (refusal !== undefined) throw refusal;
    await this.#checkParents(collection, batch.records);
    this.#checkFixedFields(collection, batch.records);
    const position = await this.#journal.append(collection.name, batch.bytes);
    // Appends resolve in order and nothing is awaited in between: frames are merged in the order of the journal.
    this.#buffer.merge(collection, batch.records, position);
    this.#flusher.noticeAccepted();
    return { count: batch.records.length, acceptedAtMs: Math.floor(position.version / 1000) };
  }

  async #checkParents(collection: Collection, records: readonly GivenRecord[]): Promise<void> {
    const { parent } = collection;
    if (parent === undefined || this.#unknownParent === 'hold') return;
    const named = new Set(records.map((record) => String(record[parent.field])));
    const unknown = [...named].filter((id) => !this.#isKnown(parent.collection, id));
    if (unknown.length === 0) return;
    const missing = await this.#missingInStorage(parent.collection, unknown);
    if (missing.size === 0) return;
    throw new ServiceError('SESSION_NOT_FOUND', 'Session not found: send the session before its tasks', {
      errors: problems(collection, records, parent.field, (record) =>
        missing.has(String(record[parent.field]))
          ? `names session "${String(record[parent.field])}", which was never accepted`
          : undefined,
      ),
      extra: missing.size === 1 ? { session_id: [...missing][0] } : {},
    });
  }

  #isKnown(parentCollection: string, id: string): boolean {
    return this.#knownParents.has(`${parentCollection}/${id}`) || this.#buffer.has(parentCollection, id);
  }

  /** Those ids that storage does not have; none of them when it cannot be asked: an outage refuses no batch. */
  async #missingInStorage(parentCollection: string, ids: readonly string[]): Promise<Set<string>> {
    const parent = this.#registry.collection(parentCollection);
    if (parent === undefined || this.#flusher.isHeldUp) return new Set();
    const lookup = this.#registry
      .backendOf(parent)
      .existing(parent, ids)
      .catch(() => undefined);
    const existing = await withTimeLimit(this.#clock, parentLookupLimitMs, lookup, () => undefined);
    if (existing === undefined) return new Set();
    for (const id of existing) this.#knownParents.set(`${parentCollection}/${id}`, true);
    // A session may have been accepted while storage was asked.
    return new Set(ids.filter((id) => !existing.has(id) && !this.#isKnown(parentCollection, id)));
  }

  #checkFixedFields(collection: Collection, records: readonly GivenRecord[]): void {
    const parent = collection.parent?.field;
    if (parent === undefined) return;
    const firstInBatch = new Map<string, unknown>();
    const errors = problems(collection, records, parent, (record) => {
      const key = keyOf(collection, record);
      const first = firstInBatch.get(key) ?? record[parent];
      firstInBatch.set(key, first);
      const changed =
        first !== record[parent] || this.#buffer.fixedFieldChangedBy(collection, record) !== undefined;
      return changed ? `differs from the session that task "${key}" already belongs to` : undefined;
    });
    if (errors.length > 0) {
      throw new ServiceError('TASK_SESSION_MISMATCH', 'A task belongs to one session for good', { errors });
    }
  }
}

function problems(
  collection: Collection,
  records: readonly GivenRecord[],
  field: string,
  problemOf: (record: GivenRecord) => string | undefined,
): FieldProblem[] {
  const found: FieldProblem[] = [];
  for (const [index, record] of records.entries()) {
    const message = problemOf(record);
    if (message !== undefined) found.push({ field: `${collection.batchField}[${index}].${field}`, message });
    if (found.length === fieldProblemsMax) break;
  }
  return found;
}
