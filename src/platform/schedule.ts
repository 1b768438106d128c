import { Cron } from 'croner';
import type { Clock } from './clock.ts';

/** A timer cannot be set for much longer. */
const timerMsMax = 86_400_000;

/** Whether this is a cron pattern, and of a time that comes. */
export function isSchedule(pattern: string): boolean {
  try {
    return nextTime(pattern, 0) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Runs an action at the times of a cron pattern, in UTC; a time that comes while it still runs is left out.
 * @returns how to stop it; an action that runs is waited for.
 */
export function runOnSchedule(
  clock: Clock,
  pattern: string,
  action: () => Promise<void>,
): () => Promise<void> {
  let cancel = (): void => {};
  let running: Promise<void> = Promise.resolve();
  let stopped = false;
  const waitFor = (atMs: number | undefined): void => {
    if (atMs === undefined || stopped) return;
    const delayMs = Math.max(0, atMs - clock.nowMs());
    cancel = clock.schedule(Math.min(delayMs, timerMsMax), () => {
      // A long wait goes on; and a timer can come before its time when the clock is set back.
      if (clock.nowMs() < atMs) return waitFor(atMs);
      running = action().finally(() => waitFor(nextTime(pattern, clock.nowMs())));
    });
  };
  waitFor(nextTime(pattern, clock.nowMs()));
  return async () => {
    stopped = true;
    cancel();
    await running;
  };
}

function nextTime(pattern: string, afterMs: number): number | undefined {
  return new Cron(pattern, { utcOffset: 0, paused: true, mode: '5-part' })
    .nextRun(new Date(afterMs))
    ?.getTime();
}
