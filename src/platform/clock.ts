/** Time as the service sees it; tests bring their own, so that none of them has to sleep. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Runs `action` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

/**
 * Waits for `promise`, but not longer than `limitMs`.
 * @returns the promise's value, or `onTimeout`'s when the limit passes first (the promise itself goes on).
 */
export async function withTimeLimit<T, U>(
  clock: Clock,
  limitMs: number,
  promise: Promise<T>,
  onTimeout: () => U,
): Promise<T | U> {
  return await new Promise<T | U>((resolve, reject) => {
    const cancel = clock.schedule(limitMs, () => {
      try {
        resolve(onTimeout());
      } catch (error) {
        reject(error);
      }
    });
    promise.then(resolve, reject).finally(cancel);
  });
}
