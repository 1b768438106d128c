import type { Clock } from '../../src/platform/clock.ts';

interface Scheduled {
  atMs: number;
  action: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  /** Every delay that was ever asked for, in order. */
  readonly delaysMs: number[] = [];
  readonly #scheduled = new Set<Scheduled>();
  #nowMs: number;
  #elapsedMs = 0;

  constructor(nowMs = Date.UTC(2025, 8, 30, 10)) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** Corrects the time of day, also backwards; what is scheduled does not notice. */
  setNowMs(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  schedule(delayMs: number, action: () => void): () => void {
    this.delaysMs.push(delayMs);
    const scheduled = { atMs: this.#elapsedMs + delayMs, action };
    this.#scheduled.add(scheduled);
    return () => this.#scheduled.delete(scheduled);
  }

  /** In how many milliseconds each scheduled action is due, the next one first. */
  get dueInMs(): number[] {
    return [...this.#scheduled].map(({ atMs }) => atMs - this.#elapsedMs).sort((a, b) => a - b);
  }

  /** Lets time pass and runs, one by one, what is due by then. */
  advance(byMs: number): void {
    const endMs = this.#elapsedMs + byMs;
    for (let next = this.#dueBy(endMs); next !== undefined; next = this.#dueBy(endMs)) {
      this.#moveTo(next.atMs);
      this.#scheduled.delete(next);
      next.action();
    }
    this.#moveTo(endMs);
  }

  #dueBy(endMs: number): Scheduled | undefined {
    let first: Scheduled | undefined;
    for (const scheduled of this.#scheduled) {
      if (scheduled.atMs <= endMs && (first === undefined || scheduled.atMs < first.atMs)) first = scheduled;
    }
    return first;
  }

  #moveTo(elapsedMs: number): void {
    this.#nowMs += elapsedMs - this.#elapsedMs;
    this.#elapsedMs = elapsedMs;
  }
}
