import { circumstances, markdownTable, writeSection } from './document.ts';
import { isMet, type Line } from './line.ts';
import { median } from './load/latencies.ts';
import { cellsOf, columns, figure, type Results } from './report.ts';

/** Writes the table of docs/performance.md: of several runs, the median of each line. */
export async function writeTable(resultFiles: readonly string[], checkout: string): Promise<void> {
  const runs: Results[] = [];
  for (const path of resultFiles) runs.push((await Bun.file(path).json()) as Results);
  const [first] = runs;
  if (first === undefined) throw new Error('No results are given');
  const lines = first.lines.filter(({ detail }) => !detail).map((line) => medianOf(line, runs));
  const table = markdownTable([
    [...columns, 'of each run'],
    ...lines.map(({ line, values }) => [...cellsOf(line), values.map(figure).join(' · ')]),
  ]);
  const seconds = runs.map((run) => run.seconds).join(', ');
  const { machine, revision, versions, form, date } = first;
  writeSection(
    checkout,
    'table',
    `${circumstances(revision, machine, versions.mysql, date)} ${runs.length === 1 ? `One run` : `The medians of ${runs.length} runs`} in the ${form} form, which took ${seconds} s.\n\n${table}`,
  );
}

/** The line of all runs, and what it is about in each: its ratio where it has one, else its value. */
function medianOf(line: Line, runs: readonly Results[]): { line: Line; values: number[] } {
  const same = runs.flatMap(({ lines }) => lines.filter(({ name }) => name === line.name));
  const medianBy = (of: (line: Line) => number | null): number | null => {
    const values = same.map(of).filter((value) => value !== null);
    return values.length === 0 ? null : median(values);
  };
  const value = medianBy((each) => each.value) ?? line.value;
  const ratio = medianBy((each) => each.ratio);
  const met = isMet(line.targets, { value, ratio });
  const values = same.map((each) =>
    line.targets.some(({ of }) => of === 'value') ? each.value : (each.ratio ?? each.value),
  );
  return { line: { ...line, value, limit: medianBy((each) => each.limit), ratio, met }, values };
}
