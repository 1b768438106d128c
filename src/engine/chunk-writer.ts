import type { Logger } from '../platform/logger.ts';
import type { Collection } from '../storage/collection.ts';
import { StorageError } from '../storage/contract.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { BufferedRecord, RefusedRecord } from './flush-set.ts';
import type { Quarantine } from './quarantine.ts';
import type { RetryLoop } from './retry-loop.ts';

/** How often an error that nobody knows is tried again before its records are looked at one by one. */
const unknownAttemptsMax = 3;

/** A record that storage refused with an error that nobody knows: it may be the reason, or storage may. */
export interface Suspect {
  pending: BufferedRecord;
  error: StorageError;
}

interface Written {
  stored: number;
  suspects: Suspect[];
}

/**
 * Writes chunks to storage, and finds the records that it refuses: a chunk is halved where it is refused, down to
 * single records, so that k bad ones of n take about 2·k·log₂(n) calls. Outages are waited for.
 */
export class ChunkWriter {
  readonly #registry: StorageRegistry;
  readonly #quarantine: Quarantine;
  readonly #logger: Logger;
  readonly #retry: RetryLoop;

  constructor(
    parts: { registry: StorageRegistry; quarantine: Quarantine; logger: Logger },
    retry: RetryLoop,
  ) {
    this.#registry = parts.registry;
    this.#quarantine = parts.quarantine;
    this.#logger = parts.logger;
    this.#retry = retry;
  }

  /**
   * Stores records or puts them in the quarantine.
   * @returns how many it stored, and the suspects: the caller knows whether their neighbours were stored.
   */
  write(collection: Collection, records: readonly BufferedRecord[]): Promise<Written> {
    return this.#write(collection, records, unknownAttemptsMax);
  }

  /** Puts a record in the quarantine; durable when it resolves. */
  async refuse(refused: RefusedRecord): Promise<void> {
    await this.#retry.untilItWorks(() => this.#quarantine.add(refused));
    this.#logger.error('A record can never be stored as it is; the quarantine has it', {
      collection: refused.collection.name,
      code: refused.code,
      reason: refused.reason,
    });
  }

  async #write(
    collection: Collection,
    records: readonly BufferedRecord[],
    unknownAttempts: number,
  ): Promise<Written> {
    const [pending] = records;
    if (pending === undefined) return { stored: 0, suspects: [] };
    const error = await this.#attempt(collection, records, unknownAttempts);
    if (error === undefined) return { stored: records.length, suspects: [] };
    if (records.length > 1) {
      const middle = Math.ceil(records.length / 2);
      const first = await this.#write(collection, records.slice(0, middle), 1);
      const second = await this.#write(collection, records.slice(middle), 1);
      return { stored: first.stored + second.stored, suspects: [...first.suspects, ...second.suspects] };
    }
    if (error.remedy === 'unknown') return { stored: 0, suspects: [{ pending, error }] };
    await this.refuse({ ...pending, collection, code: error.code, reason: error.message });
    return { stored: 0, suspects: [] };
  }

  /** @returns the error for which the records have to be looked at in smaller parts; undefined when they are stored. */
  #attempt(
    collection: Collection,
    records: readonly BufferedRecord[],
    unknownAttempts: number,
  ): Promise<StorageError | undefined> {
    const backend = this.#registry.backendOf(collection);
    return this.#retry.untilItWorks(async (attempt) => {
      try {
        await backend.write(collection, records);
        return undefined;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        const { remedy } = error;
        if (remedy === 'refuse' || remedy === 'split') return error;
        if (remedy === 'unknown' && attempt >= unknownAttempts) return error;
        throw error;
      }
    });
  }
}
