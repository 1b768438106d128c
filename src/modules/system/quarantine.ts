import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Quarantine, Quarantined } from '../../engine/quarantine.ts';
import { isRecordFile, type QuarantineEntry, type RecordFile } from '../../engine/quarantine-file.ts';
import { fieldProblems, summary } from '../../http/validation.ts';
import { ServiceError } from '../../platform/errors.ts';
import { formatInstant } from '../../platform/instant.ts';
import type { Logger } from '../../platform/logger.ts';
import { type Collection, type GivenRecord, knownFields } from '../../storage/collection.ts';
import { StorageError } from '../../storage/contract.ts';
import type { StorageRegistry } from '../../storage/registry.ts';

/** Which entries are meant: all of it must hold. */
export interface QuarantineFilter {
  collection?: string | undefined;
  /** The session itself, and its tasks. */
  session_id?: string | undefined;
  /** A part of the code, and of the reason; letters from A to Z match in either case. */
  code?: string | undefined;
  reason?: string | undefined;
}

interface Refusal {
  code: string;
  reason: string;
}

/** What an operator does with what storage refused: look, retry, edit, discard. */
export class QuarantineService {
  readonly #quarantine: Quarantine;
  readonly #registry: StorageRegistry;
  readonly #logger: Logger;
  readonly #counts = { stored: 0, refused: 0, discarded: 0 };

  constructor(parts: { quarantine: Quarantine; registry: StorageRegistry; logger: Logger }) {
    this.#quarantine = parts.quarantine;
    this.#registry = parts.registry;
    this.#logger = parts.logger;
  }

  /** What was done since the start: retries by how they ended, and discards. */
  get counts(): { readonly stored: number; readonly refused: number; readonly discarded: number } {
    return this.#counts;
  }

  /** One page, the newest first, with the totals of all that match. */
  async list(filter: QuarantineFilter, { page, pageSize }: { page: number; pageSize: number }) {
    const matching = this.#matching(filter).sort(newestFirst);
    const byCode: Record<string, number> = {};
    for (const { code } of matching) byCode[code] = (byCode[code] ?? 0) + 1;
    const items = [];
    for (const { id } of matching.slice((page - 1) * pageSize, page * pageSize)) {
      const quarantined = await this.#quarantine.read(id);
      if (quarantined !== undefined) items.push(itemOf(quarantined));
    }
    return {
      total: matching.length,
      page,
      page_size: pageSize,
      total_pages: Math.ceil(matching.length / pageSize),
      by_code: byCode,
      items,
    };
  }

  /**
   * One entry, whole.
   * @throws ServiceError NOT_FOUND
   */
  async one(id: string) {
    const quarantined = await this.#read(id);
    const { content } = quarantined;
    return {
      ...itemOf(quarantined),
      payload_base64: content === undefined || isRecordFile(content) ? null : content.payload_base64,
    };
  }

  /**
   * Writes a record to storage, as it was accepted but for the fields that are given, and removes it here. It has its
   * own versions: what is newer in storage stays, and what was deleted stays deleted.
   * @throws ServiceError NOT_FOUND, VALIDATION_FAILED, QUARANTINE_REFUSED, STORAGE_UNAVAILABLE; it is still here then.
   */
  async retry(id: string, changes: GivenRecord = {}): Promise<void> {
    const { entry, content } = await this.#read(id);
    const collection = this.#collectionOf(entry);
    if (content === undefined || !isRecordFile(content) || collection === undefined) {
      throw refusedError(
        entry,
        'This cannot be retried: it is no record that this version of the service knows',
      );
    }
    const refusal = await this.#store(id, collection, content, changes);
    if (refusal !== undefined) {
      throw refusedError({ id, ...refusal }, 'Storage refuses the record again; it stays in the quarantine');
    }
  }

  /**
   * Retries every record that matches, parents first, the oldest first.
   * @throws ServiceError STORAGE_UNAVAILABLE, with the counts so far; the rest is still here.
   */
  async retryAll(filter: QuarantineFilter) {
    const counts = { retried: 0, stored: 0, still_refused: 0 };
    for (const { id } of this.#inOrderOfWriting(this.#matching(filter))) {
      try {
        await this.retry(id);
        counts.stored += 1;
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        // Somebody else has retried or discarded it.
        if (error.code === 'NOT_FOUND') continue;
        if (error.code === 'STORAGE_UNAVAILABLE') throw withCounts(error, counts);
        counts.still_refused += 1;
      }
      counts.retried += 1;
    }
    return counts;
  }

  /**
   * Removes one entry for good, whatever it is.
   * @throws ServiceError NOT_FOUND
   */
  async discard(id: string): Promise<void> {
    if ((await this.#discard([id])) === 0) throw notFound(id);
  }

  /** Removes every entry that matches for good; returns how many. */
  async discardAll(filter: QuarantineFilter): Promise<number> {
    return await this.#discard(this.#matching(filter).map(({ id }) => id));
  }

  async #discard(ids: readonly string[]): Promise<number> {
    const removed = await this.#quarantine.remove(ids);
    for (const entry of removed) this.#logger.warn('A quarantined record was discarded', logged(entry));
    this.#counts.discarded += removed.length;
    return removed.length;
  }

  /** Returns why storage refuses it; undefined when it is stored. */
  async #store(
    id: string,
    collection: Collection,
    content: RecordFile,
    changes: GivenRecord,
  ): Promise<Refusal | undefined> {
    const record = validated(collection, content, changes);
    const { version, first_version: firstVersion } = content;
    try {
      await this.#registry.backendOf(collection).write(collection, [{ record, version, firstVersion }]);
    } catch (error) {
      const refusal = refusalOf(error);
      await this.#quarantine.noteRefusal(id, content, refusal);
      this.#counts.refused += 1;
      this.#logger.warn(
        'A quarantined record was retried and is refused again',
        logged({ id, ...content, ...refusal }),
      );
      return refusal;
    }
    await this.#quarantine.remove([id]);
    this.#counts.stored += 1;
    this.#logger.info('A quarantined record was retried and is stored', logged({ id, ...content }));
    return undefined;
  }

  async #read(id: string): Promise<Quarantined> {
    const quarantined = await this.#quarantine.read(id);
    if (quarantined === undefined) throw notFound(id);
    return quarantined;
  }

  #matching({ collection, session_id, code, reason }: QuarantineFilter): QuarantineEntry[] {
    return [...this.#quarantine.entries].filter(
      (entry) =>
        (collection === undefined || entry.collection === collection) &&
        (session_id === undefined || sessionOf(entry) === session_id) &&
        contains(entry.code, code) &&
        contains(entry.reason, reason),
    );
  }

  /** Those that are records, in the order in which they can be stored. */
  #inOrderOfWriting(entries: readonly QuarantineEntry[]): QuarantineEntry[] {
    const oldestFirst = entries.toSorted((one, other) => one.version - other.version);
    return this.#registry.collections.flatMap((collection) =>
      oldestFirst.filter((entry) => this.#collectionOf(entry) === collection),
    );
  }

  #collectionOf({ kind, collection }: QuarantineEntry): Collection | undefined {
    return kind === 'record' ? this.#registry.collection(collection ?? '') : undefined;
  }
}

/**
 * The record with changed fields, and without those that its collection does not have. It may lack required fields,
 * as a change of status does.
 * @throws ServiceError VALIDATION_FAILED, also for what a person has written into the file.
 */
function validated(collection: Collection, { key, record }: RecordFile, changes: GivenRecord): GivenRecord {
  const changed = knownFields(collection, { ...record, ...changes });
  const schema = Type.Object({ record: Type.Partial(collection.schema) });
  const validator = { Errors: (value: unknown) => Value.Errors(schema, value) };
  const errors = fieldProblems({ type: 'body', value: { record: changed }, validator });
  if (changed[collection.key] !== key) {
    const message = 'identifies the record and cannot be changed';
    errors.unshift({ field: `record.${collection.key}`, message });
  }
  if (errors.length > 0) throw new ServiceError('VALIDATION_FAILED', summary(errors), { errors });
  return changed;
}

/** @throws what is no refusal of the record. */
function refusalOf(error: unknown): Refusal {
  if (!(error instanceof StorageError)) throw error;
  if (error.remedy === 'refuse' || error.remedy === 'split')
    return { code: error.code, reason: error.message };
  throw new ServiceError(
    'STORAGE_UNAVAILABLE',
    'Storage takes no data at the moment; what was not stored stays in the quarantine',
    { retryAfterSeconds: 5, cause: error },
  );
}

function itemOf({ entry, content }: Quarantined) {
  const record = content !== undefined && isRecordFile(content) ? content : undefined;
  const acceptedAt = (version: number | undefined): string | null =>
    version === undefined ? null : formatInstant(Math.floor(version / 1000));
  return {
    id: entry.id,
    kind: entry.kind,
    collection: entry.collection,
    key: entry.key,
    session_id: sessionOf(entry),
    code: entry.code,
    reason: entry.reason,
    first_accepted_at: acceptedAt(record?.first_version ?? content?.version),
    accepted_at: acceptedAt(content?.version),
    quarantined_at: entry.quarantinedAtMs === undefined ? null : formatInstant(entry.quarantinedAtMs),
    retried_at: record?.retried_at ?? null,
    record: record?.record ?? null,
  };
}

/** A task's session, and a session itself. */
function sessionOf({ parent, key }: QuarantineEntry): string | null {
  return parent ?? key;
}

function contains(text: string, part: string | undefined): boolean {
  return part === undefined || text.toLowerCase().includes(part.toLowerCase());
}

function newestFirst(one: QuarantineEntry, other: QuarantineEntry): number {
  return (other.quarantinedAtMs ?? 0) - (one.quarantinedAtMs ?? 0) || (one.id < other.id ? 1 : -1);
}

function logged({
  id,
  collection,
  key,
  code,
  reason,
}: Omit<QuarantineEntry, 'kind' | 'parent' | 'version' | 'quarantinedAtMs'>) {
  return { id, collection, key, code, reason };
}

function notFound(id: string): ServiceError {
  return new ServiceError('NOT_FOUND', 'The quarantine has nothing with this id', { extra: { id } });
}

function refusedError({ id, code, reason }: { id: string } & Refusal, message: string): ServiceError {
  return new ServiceError('QUARANTINE_REFUSED', message, { extra: { id, code, reason } });
}

function withCounts({ code, message, details }: ServiceError, counts: Record<string, number>): ServiceError {
  return new ServiceError(code, message, { ...details, extra: counts });
}
