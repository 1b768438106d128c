import { type Clock, withTimeLimit } from './clock.ts';

interface Phase {
  name: string;
  limitMs: number;
  close: () => Promise<void> | void;
}

export interface ClosedPhase {
  name: string;
  outcome: 'closed' | 'timed out' | 'failed';
  error?: unknown;
}

/** Closes what was built, the newest first; a phase that hangs or fails does not keep the others from closing. */
export class Lifecycle {
  readonly #clock: Clock;
  readonly #phases: Phase[] = [];
  #closing: Promise<ClosedPhase[]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Registers how to close a part that was just built, and how long that may take. */
  onClose(name: string, limitMs: number, close: () => Promise<void> | void): void {
    this.#phases.push({ name, limitMs, close });
  }

  /** Closes everything once; later calls wait for the same closing. */
  close(): Promise<ClosedPhase[]> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<ClosedPhase[]> {
    const report: ClosedPhase[] = [];
    for (let phase = this.#phases.pop(); phase !== undefined; phase = this.#phases.pop()) {
      report.push(await this.#closePhase(phase));
    }
    return report;
  }

  async #closePhase({ name, limitMs, close }: Phase): Promise<ClosedPhase> {
    try {
      const closed = Promise.resolve(close()).then(() => 'closed' as const);
      return { name, outcome: await withTimeLimit(this.#clock, limitMs, closed, () => 'timed out' as const) };
    } catch (error) {
      return { name, outcome: 'failed', error };
    }
  }
}
