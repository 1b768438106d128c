import { LRUCache } from 'lru-cache';
import type { Clock } from '../../platform/clock.ts';

/** An answer older than this is found again, behind the one that is given. */
const keptMs = 5_000;
/** One that takes long to find is kept longer: storage is to spend no more than a tenth of its time on it. */
const keptTimes = 10;

interface Kept<Answer> {
  answer: Answer;
  staleAtMs: number;
}

/** Answers that take long to find: each is given as it was a moment ago, and then found again. */
export class KeptAnswers<Answer extends object | number> {
  readonly #clock: Clock;
  readonly #kept = new LRUCache<string, Kept<Answer>>({ max: 1000 });
  #finding = new Map<string, Promise<Answer>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer of a moment ago; undefined when none is kept. */
  peek(name: string, find: () => Promise<Answer>): Answer | undefined {
    const kept = this.#kept.get(name);
    if (kept === undefined) return undefined;
    // Nobody waits for it; if it fails, the next call tries again.
    if (this.#clock.nowMs() > kept.staleAtMs) this.find(name, find).catch(() => {});
    return kept.answer;
  }

  /** Finds the answer, once for all who ask meanwhile, and keeps it. */
  find(name: string, find: () => Promise<Answer>): Promise<Answer> {
    const running = this.#finding.get(name);
    if (running !== undefined) return running;
    const all = this.#finding;
    const startedMs = this.#clock.nowMs();
    const finding = find()
      .then((answer) => {
        const foundMs = this.#clock.nowMs();
        const staleAtMs = foundMs + Math.max(keptMs, (foundMs - startedMs) * keptTimes);
        // What was found before `clear` may be untrue.
        if (all === this.#finding) this.#kept.set(name, { answer, staleAtMs });
        return answer;
      })
      .finally(() => all.delete(name));
    all.set(name, finding);
    return finding;
  }

  /** Forgets everything: the next answers are found anew. */
  clear(): void {
    this.#kept.clear();
    this.#finding = new Map();
  }
}
