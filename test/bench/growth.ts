import { join } from 'node:path';
import { Bench, type StorageKind } from './bench.ts';
import { removeLoad } from './dataset.ts';
import { circumstances, markdownTable, writeSection } from './document.ts';
import type { Line } from './line.ts';
import { judged } from './line.ts';
import { acceptDurable } from './lines/accept-durable.ts';
import { acceptSteady } from './lines/accept-steady.ts';
import { reads } from './lines/reads.ts';
import { MysqlOfRun } from './mysql-server.ts';
import type { Options } from './options.ts';
import { plotSvg } from './plot.ts';
import { figure, machine, revisionOf } from './report.ts';
import { sizesOf } from './sizes.ts';

/** A line over the sizes. */
interface Curve {
  what: string;
  unit: string;
  values: Map<number, number>;
}

/** Measures accepting and reading with more and more stored tasks; writes the table and the plot. */
export async function writeGrowth(
  options: Options,
  tasksStored: readonly number[],
  checkout: string,
): Promise<void> {
  const before = machine();
  const curves = new Map<string, Curve>();
  const mysql = new MysqlOfRun();
  for (const storedTasks of tasksStored) {
    const sizes = { ...sizesOf[options.form], storedTasks, rounds: 1 };
    await using bench = new Bench({
      checkout,
      sizes,
      dataFolder: options.dataFolder,
      mysql,
      loadsOntoDataset: true,
    });
    for (const storage of options.storages) {
      for (const line of await linesAt(bench, storage)) addTo(curves, storedTasks, line);
      console.error(`bench: ${storage} with ${storedTasks} tasks`);
    }
  }
  const table = markdownTable([
    ['stored tasks', 'unit', ...tasksStored.map((tasks) => tasks.toLocaleString('en'))],
    ...[...curves.values()].map(({ what, unit, values }) => [
      what,
      unit,
      ...tasksStored.map((tasks) => figureAt(values, tasks)),
    ]),
  ]);
  writeSection(
    checkout,
    'growth',
    `${circumstances(revisionOf(checkout), before, await mysql.description())}\n\n![Milliseconds over stored tasks](performance.svg)\n\n${table}`,
  );
  const plotted = [...curves.values()]
    .filter(({ unit }) => unit === 'ms')
    .filter(({ what }) => isPlotted(what));
  await Bun.write(join(checkout, 'docs/performance.svg'), plotSvg(tasksStored, plotted));
}

async function linesAt(bench: Bench, storage: StorageKind): Promise<Line[]> {
  const dataset = await bench.dataset(storage);
  const measurements = await reads.run(bench, storage);
  try {
    const accepts = await acceptDurable.run(bench, storage);
    measurements.push(
      ...accepts.map((line) => ({
        ...line,
        name: `${line.name}-${storage}`,
        what: `${line.what}, on ${storage}`,
      })),
    );
    measurements.push(...(await acceptSteady.run(bench, storage)));
  } finally {
    await removeLoad(storage, dataset);
  }
  return measurements.map(judged);
}

function addTo(curves: Map<string, Curve>, tasks: number, { name, what, unit, value, detail }: Line): void {
  // A read is known by its P95; its P99 of few samples says little more.
  if (detail && name.includes('.p99 ')) return;
  if (/page=\d/.test(name) && !name.includes('page=500')) return;
  const curve = curves.get(name) ?? { what: shortened(what), unit, values: new Map() };
  curve.values.set(tasks, value);
  curves.set(name, curve);
}

/** Blank where a size has too little for the page. */
function figureAt(values: ReadonlyMap<number, number>, tasks: number): string {
  const value = values.get(tasks);
  return value === undefined ? '' : figure(value);
}

function shortened(what: string): string {
  return what.replace('/api/v1/translation', '');
}

/** The plot would be a tangle with all of them. */
function isPlotted(what: string): boolean {
  return /^GET \/(tasks|tasks\?status=pending|tasks\?page=500|recovery\/.*|stats) on |^accept .*: P99/.test(
    what,
  );
}
