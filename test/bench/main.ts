// Measures the built service and its bare limits: `npm run bench`. docs/performance.md says what and how.

import { join } from 'node:path';
import { Bench } from './bench.ts';
import { compare } from './compare.ts';
import { writeGrowth } from './growth.ts';
import { writeTable } from './medians.ts';
import { MysqlOfRun } from './mysql-server.ts';
import { type Options, parseOptions, usage } from './options.ts';
import { writeProfile } from './profile.ts';
import { linesTable, machine, notes, type Results, revisionOf, versions } from './report.ts';
import { measureAll } from './run.ts';
import { sizesOf } from './sizes.ts';

const checkout = join(import.meta.dir, '../..');

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options | 'help';
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    return 2;
  }
  if (options === 'help') {
    console.log(usage);
    return 0;
  }
  if (options.table !== undefined) {
    await writeTable(options.table, checkout);
    return 0;
  }
  build(checkout);
  if (options.compareWith !== undefined) await compare(options, options.compareWith, checkout, build);
  else if (options.growth !== undefined) await writeGrowth(options, options.growth, checkout);
  else if (options.profile) await writeProfile(checkout);
  else return await measure(options);
  return 0;
}

async function measure(options: Options): Promise<number> {
  const { form, dataFolder, resultsFile, ci } = options;
  const startedMs = performance.now();
  const before = machine();
  const mysql = new MysqlOfRun();
  await using bench = new Bench({ checkout, sizes: sizesOf[form], dataFolder, mysql });
  const lines = await measureAll(bench, options);
  const results: Results = {
    date: new Date().toISOString(),
    form,
    seconds: Math.round((performance.now() - startedMs) / 1000),
    revision: revisionOf(checkout),
    machine: before,
    versions: versions(await mysql.description()),
    lines,
  };
  await Bun.write(resultsFile, `${JSON.stringify(results, undefined, 2)}\n`);
  const missed = lines.filter(({ detail, met }) => !detail && met === false).length;
  console.log(linesTable(lines));
  console.log(`\n${notes(lines)}`);
  console.log(
    `\nbench: ${missed} lines miss their target; ${results.seconds} s; ${resultsFile} has every figure`,
  );
  const broken = ci ? lines.filter(({ ci_met }) => ci_met === false) : [];
  for (const { name, value, unit, ratio } of broken) {
    console.log(
      `bench: far off: ${name} is ${value} ${unit}${ratio === null ? '' : `, a ratio of ${ratio}`}`,
    );
  }
  return broken.length > 0 ? 1 : 0;
}

function build(folder: string): void {
  const { exitCode } = Bun.spawnSync([process.execPath, 'scripts/build.ts'], {
    cwd: folder,
    stdout: 'ignore',
    stderr: 'inherit',
  });
  if (exitCode !== 0) throw new Error(`The build of ${folder} failed`);
}
