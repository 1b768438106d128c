/** Times in milliseconds, and where most of them lie. */
export class Latencies {
  readonly #times: number[] = [];

  add(milliseconds: number): void {
    this.#times.push(milliseconds);
  }

  get count(): number {
    return this.#times.length;
  }

  /** So many percent were not slower. */
  percentile(percent: number): number {
    const sorted = this.#times.toSorted((one, other) => one - other);
    const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
    return sorted[rank - 1] ?? Number.NaN;
  }

  get max(): number {
    return this.percentile(100);
  }
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const [before, after] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return ((before ?? Number.NaN) + (after ?? Number.NaN)) / 2;
}
