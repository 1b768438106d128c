/** The first and the last instant that every storage plugin can hold (MySQL's DATETIME: years 1000 to 9999). */
const earliestMs = Date.UTC(1000, 0, 1);
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * Reads an ISO 8601 date and time; without an offset it is UTC, digits beyond milliseconds are dropped.
 * @returns milliseconds since the epoch, or undefined when it is no date or outside the years 1000 to 9999 (UTC).
 */
export function parseInstant(text: string): number | undefined {
  // By hand: every accepted record comes through here twice, and a pattern takes five times as long.
  const year = digitsAt(text, 0, 4);
  const month = digitsAt(text, 5, 2);
  const day = digitsAt(text, 8, 2);
  if (text[4] !== '-' || text[7] !== '-' || year < 0) return undefined;
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  const timeMs = text.length === 10 ? 0 : timeOfDayMs(text);
  if (timeMs === undefined) return undefined;
  // Date.UTC takes a year below 100 for another, and all of these are too early.
  const instantMs = year < 100 ? earliestMs - 1 : Date.UTC(year, month - 1, day) + timeMs;
  return instantMs >= earliestMs && instantMs <= latestMs ? instantMs : undefined;
}

/** What stands behind a date: `T10:15`, with seconds and an offset or without, in milliseconds. */
function timeOfDayMs(text: string): number | undefined {
  const separator = text[10];
  if (separator !== 'T' && separator !== 't' && separator !== ' ') return undefined;
  const hour = digitsAt(text, 11, 2);
  const minute = digitsAt(text, 14, 2);
  if (text[13] !== ':' || hour < 0 || hour > 23 || minute < 0 || minute > 59) return undefined;
  let second = 0;
  let milliseconds = 0;
  let end = 16;
  if (text[end] === ':') {
    second = digitsAt(text, 17, 2);
    if (second < 0 || second > 59) return undefined;
    end = 19;
    if (text[end] === '.' || text[end] === ',') {
      const first = end + 1;
      end = endOfDigits(text, first);
      if (end === first || end > first + 9) return undefined;
      milliseconds = Number(text.slice(first, Math.min(end, first + 3)).padEnd(3, '0'));
    }
  }
  const offsetMs = end === text.length ? 0 : offsetOf(text, end);
  if (offsetMs === undefined) return undefined;
  return ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds - offsetMs;
}

/** `Z`, `+02`, `+0200` or `+02:00` at the end of a text, in milliseconds. */
function offsetOf(text: string, start: number): number | undefined {
  const sign = text[start];
  if (sign === 'Z' || sign === 'z') return start + 1 === text.length ? 0 : undefined;
  if (sign !== '+' && sign !== '-') return undefined;
  const hours = digitsAt(text, start + 1, 2);
  const hasMinutes = text.length > start + 3;
  const minutesAt = text[start + 3] === ':' ? start + 4 : start + 3;
  const minutes = hasMinutes ? digitsAt(text, minutesAt, 2) : 0;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  if (hasMinutes && text.length !== minutesAt + 2) return undefined;
  return (hours * 60 + minutes) * 60_000 * (sign === '-' ? -1 : 1);
}

/** A number of so many digits; -1 when others stand there. */
function digitsAt(text: string, start: number, count: number): number {
  let value = 0;
  for (let at = start; at < start + count; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  while (digitsAt(text, end, 1) >= 0) end += 1;
  return end;
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

const daysOfMonths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysIn(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && isLeap ? 29 : (daysOfMonths[month - 1] ?? 0);
}
