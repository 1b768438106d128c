import type { Clock } from '../../platform/clock.ts';
import type { Collection } from '../../storage/collection.ts';
import type { Condition, StorageBackend } from '../../storage/contract.ts';
import { KeptAnswers } from './kept-answers.ts';
import { tasks } from './records.ts';
import { type Statistics, translationStatistics } from './statistics.ts';

/** Up to here a total is counted for each answer: it takes a few milliseconds. */
export const countedAlways = 10_000;

/**
 * Counts records. Small totals are exact. To look at a million records takes longer than an answer may take, so what
 * is counted of so many is that of a moment ago.
 */
export class Totals {
  readonly #kept: KeptAnswers<number>;
  readonly #statistics: KeptAnswers<Statistics>;

  constructor(clock: Clock) {
    this.#kept = new KeptAnswers(clock);
    this.#statistics = new KeptAnswers(clock);
  }

  /** How many records match. */
  async count(backend: StorageBackend, collection: Collection, where: readonly Condition[]): Promise<number> {
    const name = JSON.stringify([collection.name, where]);
    const countAll = () => backend.count(collection, where, { rough: true });
    const kept = this.#kept.peek(name, countAll);
    // A total that has become small is counted like any small one.
    if (kept !== undefined && kept >= countedAlways) return kept;
    const total = await backend.count(collection, where, { upTo: countedAlways });
    return total < countedAlways ? total : await this.#kept.find(name, countAll);
  }

  async statistics(backend: StorageBackend): Promise<Statistics> {
    if ((await this.count(backend, tasks, [])) < countedAlways) return await translationStatistics(backend);
    const find = () => translationStatistics(backend, { rough: true });
    return this.#statistics.peek('', find) ?? (await this.#statistics.find('', find));
  }

  /** Forgets the large ones: the next answers count anew. */
  clear(): void {
    this.#kept.clear();
    this.#statistics.clear();
  }
}
