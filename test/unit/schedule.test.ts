import { describe, expect, test } from 'bun:test';
import { isSchedule, runOnSchedule } from '../../src/platform/schedule.ts';
import { ManualClock } from '../support/manual-clock.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const midnight = Date.UTC(2025, 2, 29);

/** Runs on a schedule and notes when; the n-th run goes on until `finish` is called for the n-th time. */
function scheduled(pattern: string, clock: ManualClock, { endless = false } = {}) {
  const times: string[] = [];
  const running: (() => void)[] = [];
  const stop = runOnSchedule(clock, pattern, async () => {
    times.push(new Date(clock.nowMs()).toISOString());
    if (endless) await new Promise<void>((resolve) => running.push(resolve));
  });
  return { times, stop, finish: () => running.shift()?.() };
}

/** Lets what was resolved go on to its next wait. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function passHours(clock: ManualClock, hours: number): Promise<void> {
  for (let hour = 0; hour < hours; hour += 1) {
    clock.advance(hourMs);
    await settled();
  }
}

describe('an action on a schedule', () => {
  test('runs at each of its times in UTC, also where a zone changes its clocks', async () => {
    const clock = new ManualClock(midnight);
    const { times, stop } = scheduled('30 3 * * *', clock);
    await passHours(clock, 72);
    await stop();
    expect(times).toEqual([
      '2025-03-29T03:30:00.000Z',
      '2025-03-30T03:30:00.000Z',
      '2025-03-31T03:30:00.000Z',
    ]);
  });

  test('waits for months without a timer that is too long for one', async () => {
    const clock = new ManualClock(midnight);
    const { times, stop } = scheduled('0 0 1 1 *', clock);
    for (let day = 0; day < 300; day += 1) {
      expect(Math.max(...clock.dueInMs)).toBeLessThanOrEqual(dayMs);
      clock.advance(dayMs);
      await settled();
    }
    await stop();
    expect(times).toEqual(['2026-01-01T00:00:00.000Z']);
  });

  test('runs once for a time that the clock comes to twice, because it was set back', async () => {
    const clock = new ManualClock(midnight);
    const { times, stop } = scheduled('0 12 * * *', clock);
    clock.setNowMs(midnight - 1000);
    clock.advance(12 * hourMs);
    await settled();
    expect(times).toEqual([]);
    clock.advance(1000);
    await settled();
    clock.advance(1000);
    await settled();
    await stop();
    expect(times).toEqual(['2025-03-29T12:00:00.000Z']);
  });

  test('leaves out the times that come while it still runs', async () => {
    const clock = new ManualClock(midnight);
    const { times, stop, finish } = scheduled('0 * * * *', clock, { endless: true });
    await passHours(clock, 3);
    expect(times).toEqual(['2025-03-29T01:00:00.000Z']);
    finish();
    await settled();
    await passHours(clock, 2);
    expect(times).toEqual(['2025-03-29T01:00:00.000Z', '2025-03-29T04:00:00.000Z']);
    finish();
    await stop();
  });

  test('is waited for when it is stopped, and does not run again', async () => {
    const clock = new ManualClock(midnight);
    const { times, stop, finish } = scheduled('0 * * * *', clock, { endless: true });
    clock.advance(hourMs);
    let stopped = false;
    const stopping = stop().then(() => {
      stopped = true;
    });
    await settled();
    expect(stopped).toBe(false);
    finish();
    await stopping;
    expect(clock.dueInMs).toEqual([]);
    await passHours(clock, 2);
    expect(times).toHaveLength(1);
  });
});

test.each([
  ['30 3 * * *', true],
  ['0 0 29 2 *', true],
  ['0 0 30 2 *', false],
  ['* * * * * *', false],
  ['61 * * * *', false],
  ['daily', false],
  ['', false],
])('a pattern is a schedule if it is one and its time comes: "%s"', (pattern, is) => {
  expect(isSchedule(pattern)).toBe(is);
});
