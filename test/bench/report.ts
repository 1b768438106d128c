import { Database } from 'bun:sqlite';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { serviceVersion } from '../../src/platform/version.ts';
import { type Line, targetText } from './line.ts';
import type { Form } from './sizes.ts';

/** What bench-results.json holds. */
export interface Results {
  date: string;
  form: Form;
  seconds: number;
  revision: string;
  machine: Machine;
  versions: Versions;
  lines: readonly Line[];
}

export interface Machine {
  processor: string;
  processors: number;
  memory_bytes: number;
  kernel: string;
  /** Over the last minute, before the run: more than 0 is work of others. */
  load_average: number;
  /** How much of a processor a busy program got before the run: less than 1 is work of others. */
  processor_share: number;
}

interface Versions {
  service: string;
  bun: string;
  sqlite: string;
  /** Null when no line needed a server. */
  mysql: Record<string, string> | null;
}

export function machine(): Machine {
  const [first] = cpus();
  return {
    processor: first?.model ?? 'unknown',
    processors: cpus().length,
    memory_bytes: totalmem(),
    kernel: release(),
    load_average: loadavg()[0] ?? 0,
    processor_share: processorShare(),
  };
}

function processorShare(): number {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  while (performance.now() - startedMs < 500) Bun.hash.crc32('busy');
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1000 / (performance.now() - startedMs);
  return Math.round(Math.min(1, share) * 100) / 100;
}

export function versions(mysql: Record<string, string> | null): Versions {
  const database = new Database(':memory:');
  const { sqlite } = database.query('SELECT sqlite_version() AS sqlite').get() as { sqlite: string };
  database.close();
  return { service: serviceVersion, bun: Bun.version, sqlite, mysql };
}

/** The commit that is checked out, with `+` when files differ from it. */
export function revisionOf(checkout: string): string {
  const git = (...args: string[]): string =>
    Bun.spawnSync(['git', '-C', checkout, ...args])
      .stdout.toString()
      .trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
  return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
}

/** The table of a run: a line a figure. */
export function linesTable(lines: readonly Line[]): string {
  const shown = lines.filter(({ detail }) => !detail);
  return table([columns, ...shown.map(cellsOf)]);
}

/** What a table shows of a line. */
export const columns = ['what', 'value', 'unit', 'bare limit', 'ratio', 'target', 'met'] as const;

export function cellsOf({ what, value, unit, limit, ratio, targets, met }: Line): string[] {
  const figureOf = (number: number | null): string => (number === null ? '' : figure(number));
  const bounds = targets.map(targetText).join(', ');
  return [what, figure(value), unit, figureOf(limit), figureOf(ratio), bounds, verdict(met)];
}

/** What there is to know about a line besides its figures. */
export function notes(lines: readonly Line[]): string {
  return lines
    .filter(({ detail, note }) => !detail && note !== null)
    .map(({ what, note }) => `${what}: ${note}`)
    .join('\n');
}

/** Rows in columns as wide as they need; the first row is their names. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => Bun.stringWidth(row[column] ?? ''))),
  );
  const text = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - Bun.stringWidth(cell)))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const [names = [], ...others] = rows;
  return [text(names), rule, ...others.map(text)].join('\n');
}

export function figure(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

function verdict(met: boolean | null): string {
  return met === null ? '' : met ? 'yes' : 'NO';
}
