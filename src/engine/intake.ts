import { LRUCache } from 'lru-cache';
import type { Journal } from '../journal/journal.ts';
import { type Clock, withTimeLimit } from '../platform/clock.ts';
import { type FieldProblem, fieldProblemsMax, ServiceError } from '../platform/errors.ts';
import { type Collection, type GivenRecord, keyOf } from '../storage/collection.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { Backlog } from './backlog.ts';
import {
  type DeletionRequest,
  decodeDeletions,
  deletionType,
  encodeDeletions,
  type PendingDeletion,
} from './deletion.ts';
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
const knownParentsMax = 10_000;
/** How long storage may take to say whether a parent exists, before the batch is accepted without its answer. */
const parentLookupLimitMs = 500;

/** What happens to records whose parent was never accepted: the batch is refused, or they wait for it. */
export type UnknownParentPolicy = 'reject' | 'hold';

/** The first half of a record's way: batch → checks → journal → buffer → accepted. */
export class Intake {
  readonly #journal: Journal;
  readonly #backlog: Backlog;
  readonly #buffer: WriteBuffer;
  readonly #flusher: Flusher;
  readonly #registry: StorageRegistry;
  readonly #clock: Clock;
  readonly #unknownParent: UnknownParentPolicy;
  readonly #knownParents = new LRUCache<string, true>({ max: knownParentsMax });
  /** Counts deletions: what was found before one may be untrue after it. */
  #deletions = 0;
  /** Resolves when the last of them is merged, or has failed. */
  #deleted: Promise<unknown> = Promise.resolve();

  constructor(parts: {
    journal: Journal;
    backlog: Backlog;
    buffer: WriteBuffer;
    flusher: Flusher;
    registry: StorageRegistry;
    clock: Clock;
    unknownParent: UnknownParentPolicy;
  }) {
    this.#journal = parts.journal;
    this.#backlog = parts.backlog;
    this.#buffer = parts.buffer;
    this.#flusher = parts.flusher;
    this.#registry = parts.registry;
    this.#clock = parts.clock;
    this.#unknownParent = parts.unknownParent;
  }

  /**
   * Accepts a batch whole, or not at all. Durable when it resolves, as far as the journal's sync mode says.
   * @param check rejects when the batch must not be accepted; by default when a record's parent does not exist.
   * @throws ServiceError SESSION_NOT_FOUND, TASK_SESSION_MISMATCH, JOURNAL_FULL, JOURNAL_FAILED, NOT_ACCEPTING.
   */
  async accept(
    collection: Collection,
    batch: Batch,
    check = () => this.#checkParents(collection, batch.records),
  ): Promise<Accepted> {
    const refusal = this.#journal.refusal(batch.bytes.length);
    if (refusal !== undefined) throw refusal;
    return await this.#checked(check, async () => {
      this.#checkFixedFields(collection, batch.records);
      const position = await this.#journal.append(collection.name, batch.bytes);
      // Appends resolve in order and nothing is awaited in between: frames are merged in the order of the journal.
      this.#backlog.addRecords(collection, batch.records, position, batch.bytes.length);
      this.#flusher.noticeAccepted();
      return { count: batch.records.length, acceptedAtMs: Math.floor(position.version / 1000) };
    });
  }

  /**
   * Accepts deletions of a collection's records, each with all that belongs to it; as durable as a batch when it
   * resolves, and done after the next flush.
   * @param check rejects when they must not be accepted.
   * @returns those that hold; a conditional one does not when something newer waits for storage.
   * @throws ServiceError JOURNAL_FULL, JOURNAL_FAILED, NOT_ACCEPTING.
   */
  async delete(
    collection: Collection,
    requests: readonly DeletionRequest[],
    check = async (): Promise<void> => {},
  ): Promise<readonly PendingDeletion[]> {
    return await this.#checked(check, () => {
      this.#deletions += 1;
      const deletions = this.#appendDeletions(collection, requests);
      this.#deleted = deletions.catch(() => {});
      return deletions;
    });
  }

  /**
   * Whether a record was accepted and not deleted since; true also while that cannot be known, because a part of the
   * backlog is on disk only.
   * @throws StorageError when only storage could say, and it cannot be asked.
   */
  async exists(collection: Collection, key: string): Promise<boolean> {
    if (this.#buffer.has(collection, key)) return true;
    if (this.#backlog.isBehind) return true;
    if (this.#buffer.isDeleted(collection, key)) return false;
    const existing = await this.#registry.backendOf(collection).existing(collection, [key]);
    return existing.has(key) && !this.#buffer.isDeleted(collection, key);
  }

  /** Acts on a check, which is made again when a deletion came in between: an action follows all it knows of. */
  async #checked<T>(check: () => Promise<void>, action: () => Promise<T>): Promise<T> {
    for (;;) {
      const deletions = this.#deletions;
      await this.#deleted;
      await check();
      if (deletions === this.#deletions) return await action();
    }
  }

  async #appendDeletions(
    collection: Collection,
    requests: readonly DeletionRequest[],
  ): Promise<readonly PendingDeletion[]> {
    const payload = encodeDeletions(requests, this.#clock.nowMs());
    const position = await this.#journal.append(deletionType(collection), payload);
    const dependents = this.#registry.dependentsOf(collection);
    const deletions = decodeDeletions(collection, dependents, position, payload) ?? [];
    for (const { key } of deletions) this.#knownParents.delete(idOf(collection, key));
    return this.#backlog.addDeletions(deletions, position);
  }

  async #checkParents(collection: Collection, records: readonly GivenRecord[]): Promise<void> {
    const { parent } = collection;
    if (parent === undefined || this.#unknownParent === 'hold') return;
    const named = new Set(records.map((record) => String(record[parent.field])));
    const parents = this.#registry.collection(parent.collection);
    if (parents === undefined) return;
    const unknown = [...named].filter((id) => !this.#isKnown(parents, id));
    if (unknown.length === 0) return;
    const missing = await this.#missingInStorage(parents, unknown);
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

  #isKnown(parents: Collection, id: string): boolean {
    return this.#knownParents.has(idOf(parents, id)) || this.#buffer.has(parents, id);
  }

  /** Those ids that storage does not have; none of them when it cannot be asked: an outage refuses no batch. */
  async #missingInStorage(parents: Collection, ids: readonly string[]): Promise<Set<string>> {
    const existing = await this.#existingInStorage(parents, ids);
    if (this.#backlog.isBehind) return new Set();
    const isMissing = (id: string): boolean =>
      this.#buffer.isDeleted(parents, id) || (existing?.has(id) === false && !this.#isKnown(parents, id));
    return new Set(ids.filter(isMissing));
  }

  /** Undefined when storage cannot be asked, or does not answer soon. */
  async #existingInStorage(parents: Collection, ids: readonly string[]): Promise<Set<string> | undefined> {
    if (this.#flusher.isHeldUp || this.#backlog.isBehind) return undefined;
    const deletionsBefore = this.#deletions;
    const waiting = ids.some((id) => this.#buffer.isDeleted(parents, id));
    const lookup = this.#registry
      .backendOf(parents)
      .existing(parents, ids)
      .catch(() => undefined);
    const existing = await withTimeLimit(this.#clock, parentLookupLimitMs, lookup, () => undefined);
    // A deletion in between, or one that storage did not have yet, may have made the answer untrue.
    if (existing === undefined || waiting || this.#deletions !== deletionsBefore) return existing;
    for (const id of existing) this.#knownParents.set(idOf(parents, id), true);
    return existing;
  }

  #checkFixedFields(collection: Collection, records: readonly GivenRecord[]): void {
    const parent = collection.parent?.field;
    if (parent === undefined) return;
    const firstOfKey = new Map<string, unknown>();
    const differsInBatch = (record: GivenRecord): boolean => {
      const key = keyOf(collection, record);
      const first = firstOfKey.get(key) ?? record[parent];
      firstOfKey.set(key, first);
      return first !== record[parent];
    };
    // Most batches are of one session.
    const isOfSeveral = records.some((record) => record[parent] !== records[0]?.[parent]);
    const errors = problems(collection, records, parent, (record) => {
      const changed =
        (isOfSeveral && differsInBatch(record)) ||
        this.#buffer.fixedFieldChangedBy(collection, record) !== undefined;
      if (!changed) return undefined;
      return `differs from the session that task "${keyOf(collection, record)}" already belongs to`;
    });
    if (errors.length > 0) {
      throw new ServiceError('TASK_SESSION_MISMATCH', 'A task belongs to one session for good', { errors });
    }
  }
}

function idOf({ name }: Collection, key: string): string {
  return `${name}/${key}`;
}

function problems(
  collection: Collection,
  records: readonly GivenRecord[],
  field: string,
  problemOf: (record: GivenRecord) => string | undefined,
): FieldProblem[] {
  const found: FieldProblem[] = [];
  let index = 0;
  for (const record of records) {
    const message = problemOf(record);
    if (message !== undefined) found.push({ field: `${collection.batchField}[${index}].${field}`, message });
    if (found.length === fieldProblemsMax) break;
    index += 1;
  }
  return found;
}
