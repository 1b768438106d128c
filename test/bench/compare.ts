import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { Bench } from './bench.ts';
import type { Line } from './line.ts';
import { median } from './load/latencies.ts';
import { MysqlOfRun } from './mysql-server.ts';
import type { Options } from './options.ts';
import { figure, machine, revisionOf, table, versions } from './report.ts';
import { measureStep, stepsOf } from './run.ts';
import { sizesOf } from './sizes.ts';

/** Each revision is measured so often, and goes first as often as second: the disk still writes for the one before. */
const turns = 4;

/** A line of both revisions: the medians, and this one's to the other's. */
interface ComparedLine {
  name: string;
  what: string;
  unit: string;
  other: number;
  this: number;
  ratio: number | null;
  detail: boolean;
}

/**
 * Builds another revision in a worktree of its own and measures both by turns, line by line, so that what else the
 * machine does meets both alike. The load and the bare limits are this revision's for both.
 */
export async function compare(
  options: Options,
  revision: string,
  checkout: string,
  build: (folder: string) => void,
): Promise<void> {
  const before = machine();
  using worktree = addWorktree(checkout, revision);
  build(worktree.path);
  const mysql = new MysqlOfRun();
  const given = { sizes: sizesOf[options.form], dataFolder: options.dataFolder, mysql };
  await using here = new Bench({ ...given, checkout });
  await using there = new Bench({ ...given, checkout: worktree.path });
  const found = new Map<string, { line: Line; other: number[]; this: number[] }>();
  const take = (lines: readonly Line[], side: 'other' | 'this'): void => {
    for (const line of lines) {
      const both = found.get(line.name) ?? { line, other: [], this: [] };
      both[side].push(line.value);
      found.set(line.name, both);
    }
  };
  for (const step of stepsOf(options)) {
    for (let turn = 0; turn < turns; turn += 1) {
      const sides = [
        { bench: there, side: 'other' },
        { bench: here, side: 'this' },
      ] as const;
      for (const { bench, side } of turn % 2 === 0 ? sides : sides.toReversed()) {
        take(await measureStep(bench, step), side);
      }
    }
  }
  const lines = [...found.values()].map(comparedLine);
  console.log(comparedTable(lines, revision));
  const results = {
    date: new Date().toISOString(),
    form: options.form,
    revision: revisionOf(checkout),
    compared_with: revisionOf(worktree.path),
    turns,
    machine: before,
    versions: versions(await mysql.description()),
    lines,
  };
  await Bun.write(options.resultsFile, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`\nbench: medians of ${turns} turns each; ${options.resultsFile} has every figure`);
}

function comparedLine(both: { line: Line; other: number[]; this: number[] }): ComparedLine {
  const { name, what, unit, detail } = both.line;
  const [other, here] = [median(both.other), median(both.this)];
  return { name, what, unit, other, this: here, ratio: other === 0 ? null : here / other, detail };
}

function comparedTable(lines: readonly ComparedLine[], revision: string): string {
  const rows = lines
    .filter(({ detail }) => !detail)
    .map((line) => [
      line.what,
      line.unit,
      figure(line.other),
      figure(line.this),
      line.ratio === null ? '' : figure(line.ratio),
    ]);
  return table([['what', 'unit', revision, 'this', 'ratio'], ...rows]);
}

/** A worktree of a revision, with the packages it needs; `using` removes it. */
function addWorktree(checkout: string, revision: string): { path: string } & Disposable {
  const folder = temporaryFolder();
  const path = join(folder.path, 'checkout');
  const git = (...args: string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(['git', '-C', checkout, ...args]);
    if (exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  };
  git('worktree', 'add', '--detach', path, revision);
  const remove = (): void => {
    git('worktree', 'remove', '--force', path);
    folder[Symbol.dispose]();
  };
  try {
    addPackages(checkout, path);
  } catch (error) {
    remove();
    throw error;
  }
  return { path, [Symbol.dispose]: remove };
}

/** The packages of this checkout where they are the same ones, else an installation. */
function addPackages(checkout: string, path: string): void {
  const lock = (folder: string): string => readFileSync(join(folder, 'bun.lock'), 'utf8');
  if (lock(checkout) === lock(path) && existsSync(join(checkout, 'node_modules'))) {
    symlinkSync(join(checkout, 'node_modules'), join(path, 'node_modules'));
    return;
  }
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, 'install', '--frozen-lockfile'], {
    cwd: path,
  });
  if (exitCode !== 0) throw new Error(`The packages of ${path} could not be installed: ${stderr}`);
}
