import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { datetimeOf } from '../../src/storage/mysql/schema.ts';

test('an instant is written for MySQL as the calendar has it, cut to milliseconds', () => {
  expect(datetimeOf(1_759_227_330_007)).toBe('2025-09-30 10:15:30.007');
  expect(datetimeOf(1_759_227_330_007.9)).toBe('2025-09-30 10:15:30.007');
  expect(datetimeOf(-1)).toBe('1969-12-31 23:59:59.999');
  const yearMs = 365.2425 * 86_400_000;
  fc.assert(
    fc.property(fc.double({ min: -900 * yearMs, max: 8000 * yearMs, noNaN: true }), (ms) => {
      const iso = new Date(Math.floor(ms)).toISOString();
      expect(datetimeOf(ms)).toBe(`${iso.slice(0, 10)} ${iso.slice(11, 23)}`);
    }),
    { numRuns: 2000 },
  );
});
