import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { formatInstant, parseInstant } from '../../src/platform/instant.ts';

const utc = Date.UTC;

describe('a date and time is read', () => {
  test.each([
    ['2025-09-30T10:15:30Z', utc(2025, 8, 30, 10, 15, 30)],
    ['2025-09-30t10:15:30z', utc(2025, 8, 30, 10, 15, 30)],
    ['2025-09-30T10:15Z', utc(2025, 8, 30, 10, 15)],
    ['1970-01-01T00:00:00Z', 0],
    ['2040-02-29T23:59:59Z', utc(2040, 1, 29, 23, 59, 59)],
    ['1969-12-31T23:59:59.999Z', -1],
  ])('in UTC: %s', (text, expected) => {
    expect(parseInstant(text)).toBe(expected);
  });

  test.each([
    ['2025-09-30T10:15:30', utc(2025, 8, 30, 10, 15, 30)],
    ['2025-09-30 10:15:30', utc(2025, 8, 30, 10, 15, 30)],
    ['2025-09-30T10:15:30.123456', utc(2025, 8, 30, 10, 15, 30, 123)],
    ['2025-09-30', utc(2025, 8, 30)],
  ])('as UTC when it has no offset: %s', (text, expected) => {
    expect(parseInstant(text)).toBe(expected);
  });

  test.each([
    ['2025-09-30T10:15:30+08:00', utc(2025, 8, 30, 2, 15, 30)],
    ['2025-09-30T10:15:30-05:30', utc(2025, 8, 30, 15, 45, 30)],
    ['2025-09-30T10:15:30+0530', utc(2025, 8, 30, 4, 45, 30)],
    ['2025-09-30T10:15:30+08', utc(2025, 8, 30, 2, 15, 30)],
    ['2025-09-30T10:15:30-00:00', utc(2025, 8, 30, 10, 15, 30)],
    ['2025-12-31T23:30:00-01:00', utc(2026, 0, 1, 0, 30)],
    ['2025-03-01T00:30:00+01:00', utc(2025, 1, 28, 23, 30)],
    ['2025-09-30T10:15:30.5+23:59', utc(2025, 8, 29, 10, 16, 30, 500)],
  ])('with any offset: %s', (text, expected) => {
    expect(parseInstant(text)).toBe(expected);
  });

  test.each([
    ['.1', 100],
    ['.12', 120],
    ['.123', 123],
    ['.123456', 123],
    ['.999999', 999],
    ['.000999', 0],
    ['.123456789', 123],
    [',5', 500],
  ])('to the millisecond, never rounded up into the next second: %s', (fraction, milliseconds) => {
    expect(parseInstant(`2025-09-30T10:15:59${fraction}Z`)).toBe(utc(2025, 8, 30, 10, 15, 59, milliseconds));
  });

  test.each([
    ['2024-02-29', true],
    ['2025-02-29', false],
    ['2000-02-29', true],
    ['1900-02-29', false],
    ['2025-02-30', false],
    ['2024-02-30', false],
    ['2025-04-31', false],
    ['2025-12-31', true],
    ['2025-13-01', false],
    ['2025-00-01', false],
    ['2025-01-00', false],
    ['2025-01-32', false],
  ])('only if the calendar has that day: %s', (text, exists) => {
    expect(parseInstant(`${text}T00:00:00Z`) !== undefined).toBe(exists);
  });

  test('from the year 1000 to the year 9999 in UTC, whatever its offset', () => {
    expect(parseInstant('1000-01-01T00:00:00Z')).toBe(utc(1000, 0, 1));
    expect(parseInstant('0999-12-31T23:59:59.999Z')).toBeUndefined();
    expect(parseInstant('9999-12-31T23:59:59.999Z')).toBe(utc(9999, 11, 31, 23, 59, 59, 999));
    expect(parseInstant('1000-01-01T00:00:00+00:01')).toBeUndefined();
    expect(parseInstant('9999-12-31T23:59:59-00:01')).toBeUndefined();
    expect(parseInstant('0999-12-31T23:59:00-00:01')).toBe(utc(1000, 0, 1));
    expect(parseInstant('0000-01-01T00:00:00Z')).toBeUndefined();
    expect(parseInstant('0050-06-01T00:00:00Z')).toBeUndefined();
  });
});

test.each([
  '',
  'now',
  '2025',
  '2025-09',
  '20250930T101530Z',
  '1759226400',
  '2025-9-30T10:15:30Z',
  '2025-09-30T10Z',
  '2025-09-30T10:15:30 Z',
  '2025-09-30T10:15:30Z ',
  '2025-09-30T10:15:30Z\n',
  ' 2025-09-30T10:15:30Z',
  '2025-09-30T24:00:00Z',
  '2025-09-30T10:60:00Z',
  '2025-09-30T10:15:60Z',
  '2025-09-30T10:15:30.Z',
  '2025-09-30T10:15:30+24:00',
  '2025-09-30T10:15:30+08:60',
  '2025-09-30T10:15:30+8',
  '2025-09-30T10:15:30+08:',
  '2025-09-30T10:15:30+08:3',
  '+002025-09-30T10:15:30Z',
  '-2025-09-30T10:15:30Z',
  '12025-09-30T10:15:30Z',
  '２０２５-09-30T10:15:30Z',
  'Tue, 30 Sep 2025 10:15:30 GMT',
])('what is no date and time in ISO 8601 is not read: %p', (text) => {
  expect(parseInstant(text)).toBeUndefined();
});

describe('an instant is written', () => {
  test('in UTC with Z, with milliseconds only where there are any', () => {
    expect(formatInstant(utc(2025, 8, 30, 10, 15, 30))).toBe('2025-09-30T10:15:30Z');
    expect(formatInstant(utc(2025, 8, 30, 10, 15, 30, 120))).toBe('2025-09-30T10:15:30.120Z');
    expect(formatInstant(utc(2025, 8, 30, 10, 15, 30, 1))).toBe('2025-09-30T10:15:30.001Z');
    expect(formatInstant(0)).toBe('1970-01-01T00:00:00Z');
    expect(formatInstant(-1000)).toBe('1969-12-31T23:59:59Z');
    expect(formatInstant(-1)).toBe('1969-12-31T23:59:59.999Z');
  });

  test('so that it is read back as the same, from the first to the last', () => {
    const instants = fc.integer({ min: utc(1000, 0, 1), max: utc(9999, 11, 31, 23, 59, 59, 999) });
    fc.assert(fc.property(instants, (instant) => parseInstant(formatInstant(instant)) === instant));
  });

  test('and read as the engine’s own parser reads it, whatever its offset', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: utc(1001, 0, 1), max: utc(9998, 0, 1) }),
        fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 }),
        (instant, offsetMinutes) => {
          const digits = (value: number): string => String(value).padStart(2, '0');
          const offset = Math.abs(offsetMinutes);
          const sign = offsetMinutes < 0 ? '-' : '+';
          const local = new Date(instant).toISOString().slice(0, -1);
          const text = `${local}${sign}${digits(Math.floor(offset / 60))}:${digits(offset % 60)}`;
          expect(parseInstant(text)).toBe(Date.parse(text));
        },
      ),
    );
  });
});
