/** The first and the last instant that every storage plugin can hold (MySQL's DATETIME: years 1000 to 9999). */
const earliestMs = Date.UTC(1000, 0, 1);
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:Z|([+-])(\d{2}):?(\d{2})?)?)?$/i;

/**
 * Reads an ISO 8601 date and time; without an offset it is UTC, digits beyond milliseconds are dropped.
 * @returns milliseconds since the epoch, or undefined when it is no date or outside the years 1000 to 9999 (UTC).
 */
export function parseInstant(text: string): number | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const [offsetHours, offsetMinutes] = [part(9), part(10)];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (match[8] === '-' ? -1 : 1);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second, milliseconds);
  const instantMs = date.getTime() - offsetMs;
  return instantMs >= earliestMs && instantMs <= latestMs ? instantMs : undefined;
}

/** Writes an instant as ISO 8601 in UTC, with milliseconds only where there are any. */
export function formatInstant(instantMs: number): string {
  const text = new Date(instantMs).toISOString();
  return instantMs % 1000 === 0 ? `${text.slice(0, 19)}Z` : text;
}

/** The same to the second, for times of which nothing finer matters. */
export function formatSecond(instantMs: number): string {
  return formatInstant(Math.floor(instantMs / 1000) * 1000);
}

function daysIn(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}
