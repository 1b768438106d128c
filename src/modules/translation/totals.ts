import { LRUCache } from 'lru-cache';
import type { Clock } from '../../platform/clock.ts';
import type { Collection } from '../../storage/collection.ts';
import type { Condition, StorageBackend } from '../../storage/contract.ts';

/** Up to here a total is counted for each answer: it takes a few milliseconds. */
export const countedAlways = 10_000;
/** A larger one is kept, and counted again behind an answer once it is older than this. */
const keptMs = 5_000;

interface Kept {
  total: number;
  countedAtMs: number;
}

/**
 * How many records match a filter. Small totals are exact. To count a million takes longer than a page may take, so
 * a large total is that of a moment ago.
 */
export class Totals {
  readonly #clock: Clock;
  readonly #kept = new LRUCache<string, Kept>({ max: 1000 });
  readonly #counting = new Map<string, Promise<number>>();
  #cleared = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async count(backend: StorageBackend, collection: Collection, where: readonly Condition[]): Promise<number> {
    const name = JSON.stringify([collection.name, where]);
    const kept = this.#kept.get(name);
    if (kept === undefined) {
      const total = await backend.count(collection, where, countedAlways);
      return total < countedAlways ? total : await this.#countAll(name, backend, collection, where);
    }
    if (this.#clock.nowMs() - kept.countedAtMs > keptMs) {
      // Nobody waits for it; if it fails, the next answer tries again.
      this.#countAll(name, backend, collection, where).catch(() => {});
    }
    return kept.total;
  }

  /** Forgets what it keeps: the next answers count anew. */
  clear(): void {
    this.#kept.clear();
    this.#counting.clear();
    this.#cleared += 1;
  }

  #countAll(
    name: string,
    backend: StorageBackend,
    collection: Collection,
    where: readonly Condition[],
  ): Promise<number> {
    const running = this.#counting.get(name);
    if (running !== undefined) return running;
    const cleared = this.#cleared;
    const counting = backend
      .count(collection, where)
      .then((total) => {
        if (cleared !== this.#cleared) return total;
        if (total >= countedAlways) this.#kept.set(name, { total, countedAtMs: this.#clock.nowMs() });
        else this.#kept.delete(name);
        return total;
      })
      .finally(() => {
        if (cleared === this.#cleared) this.#counting.delete(name);
      });
    this.#counting.set(name, counting);
    return counting;
  }
}
