import type { Clock } from '../platform/clock.ts';
import { describeError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { type Remedy, StorageError } from '../storage/contract.ts';

/** That storage does not take what it is given: `paused` when only a person can mend it. */
export interface HoldUp {
  mode: 'retrying' | 'paused';
  sinceMs: number;
  attempt: number;
  error: StorageError;
}

/** What `untilItWorks` throws when the loop was stopped before it worked. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

/** Delays double, between these bounds; the second half of each is random. */
const delayMinMs = 100;
const delayMaxMs = 30_000;

/**
 * Does things until they work; several at once, or one within another.
 *
 * Modes: working; held up (`holdUp` says why and since when), waiting longer and longer between attempts; stopped,
 * for good.
 */
export class RetryLoop {
  readonly #parts: { clock: Clock; logger: Logger; random: () => number };
  /** One for each call that is held up. */
  readonly #holdUps = new Map<symbol, HoldUp>();
  readonly #errors = new Map<Remedy, number>();
  #stopped = false;
  /** Cuts short a delay, for each call that waits. */
  readonly #wakes = new Set<() => void>();

  /** @param parts `random` gives numbers from 0 to 1, for the jitter of delays. */
  constructor(parts: { clock: Clock; logger: Logger; random: () => number }) {
    this.#parts = parts;
  }

  /** Why and since when: of several calls, the one that has been held up the longest. */
  get holdUp(): HoldUp | undefined {
    const [longest] = [...this.#holdUps.values()].sort((one, other) => one.sinceMs - other.sinceMs);
    return longest;
  }

  /** How many attempts have failed since the start, by what there is to do about it. */
  get errors(): ReadonlyMap<Remedy, number> {
    return this.#errors;
  }

  /**
   * @param action gets the number of the attempt, from 1.
   * @throws Stopped when the loop was stopped before the action had worked, and nothing else.
   */
  async untilItWorks<T>(action: (attempt: number) => Promise<T>): Promise<T> {
    const { clock, logger } = this.#parts;
    const sinceMs = clock.nowMs();
    const call = Symbol('call');
    try {
      for (let attempt = 1; !this.#stopped; attempt += 1) {
        try {
          const result = await action(attempt);
          if (this.#stopped) break;
          if (attempt > 1) {
            logger.info('Storage takes data again', { attempts: attempt, outageMs: clock.nowMs() - sinceMs });
          }
          return result;
        } catch (thrown) {
          if (this.#stopped) break;
          const holdUp = holdUpOf(thrown, sinceMs, attempt);
          this.#holdUps.set(call, holdUp);
          this.#errors.set(holdUp.error.remedy, (this.#errors.get(holdUp.error.remedy) ?? 0) + 1);
          await this.#waitForNextAttempt(holdUp);
        }
      }
      throw new Stopped();
    } finally {
      this.#holdUps.delete(call);
    }
  }

  /** Cuts the current delays short. */
  wake(): void {
    for (const wake of this.#wakes) wake();
  }

  stop(): void {
    this.#stopped = true;
    this.wake();
  }

  async #waitForNextAttempt({ mode, attempt, error }: HoldUp): Promise<void> {
    const { clock, logger, random } = this.#parts;
    const fullMs = Math.min(delayMaxMs, delayMinMs * 2 ** Math.min(attempt - 1, 20));
    const delayMs = fullMs / 2 + (fullMs / 2) * random();
    const properties = {
      attempt,
      code: error.code,
      error: describeError(error),
      retryInMs: Math.round(delayMs),
    };
    if (mode === 'paused') {
      logger.error(
        'Storage refuses everything until its set-up is mended; accepted records wait in the journal',
        properties,
      );
    } else {
      logger.warn('Storage does not take data; accepted records wait in the journal', properties);
    }
    const over = Promise.withResolvers<void>();
    const cancel = clock.schedule(delayMs, over.resolve);
    const wake = (): void => {
      cancel();
      over.resolve();
    };
    this.#wakes.add(wake);
    await over.promise;
    this.#wakes.delete(wake);
  }
}

function holdUpOf(thrown: unknown, sinceMs: number, attempt: number): HoldUp {
  const error =
    thrown instanceof StorageError
      ? thrown
      : new StorageError('unknown', 'UNKNOWN', describeError(thrown), thrown);
  return { mode: error.remedy === 'pause' ? 'paused' : 'retrying', sinceMs, attempt, error };
}
