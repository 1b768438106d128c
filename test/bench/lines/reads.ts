import { startBare } from '../bare-process.ts';
import type { Bench, StorageKind } from '../bench.ts';
import type { Dataset } from '../dataset.ts';
import type { Family, Measurement, Target } from '../line.ts';
import { getRequest } from '../load/http-connection.ts';
import type { Latencies } from '../load/latencies.ts';
import { oneByOne } from '../load/load.ts';
import { type Read, readsOf } from './read-cases.ts';

export const reads: Family = {
  name: 'reads',
  measures:
    'The time of each read of the API on a full database, over one connection, one after the other: lists with each filter, the first page and page 500, both sortings, with total as always; the statistics and the incomplete sessions. A line of the table is the slowest of them; each one is in the results.',
  limit:
    'bare/select.ts: the rows of the same page by the driver alone, without total; or the rows of the same condition.',
  storages: ['sqlite', 'mysql'],
  run: readTimes,
};

const targets: Readonly<Record<'p95' | 'p99', readonly Target[]>> = {
  p95: [{ of: 'value', atMost: 20 }],
  p99: [{ of: 'value', atMost: 50 }],
};

async function readTimes(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  const dataset = await bench.dataset(storage);
  const cases = readsOf(storage, dataset);
  const statements = Object.fromEntries(cases.map(({ statement }, index) => [index, statement]));
  await using service = await bench.service(dataset.url);
  await using bare = await startBare('select', dataset.url, JSON.stringify(statements));
  await checkTotals(service.url, dataset);
  const details: Measurement[] = [];
  for (const [index, read] of cases.entries()) {
    const plan = { seconds: bench.sizes.readSeconds, samplesMin: bench.sizes.readSamplesMin };
    const answers = await oneByOne(service.url, getRequest(read.path), plan);
    const limit =
      read.statement === undefined ? undefined : await oneByOne(bare.url, getRequest(`/${index}`), plan);
    details.push(...linesOf(storage, read, answers, limit));
  }
  return [...slowest(storage, details, cases.length), ...details];
}

function linesOf(
  storage: StorageKind,
  read: Read,
  answers: Latencies,
  limit: Latencies | undefined,
): Measurement[] {
  return ([95, 99] as const).map((percent) => ({
    name: `reads-${storage}.p${percent} ${read.path}`,
    what: `GET ${read.path} on ${storage}: P${percent}`,
    value: answers.percentile(percent),
    unit: 'ms',
    limit: limit === undefined ? undefined : { value: limit.percentile(percent), what: 'bare/select.ts' },
    targets: targets[`p${percent}`],
    samples: answers.count,
    detail: true,
  }));
}

function slowest(storage: StorageKind, details: readonly Measurement[], count: number): Measurement[] {
  return (['p95', 'p99'] as const).flatMap((label) => {
    const lines = details.filter(({ name }) => name.startsWith(`reads-${storage}.${label} `));
    const [worst] = lines.toSorted((one, other) => other.value - one.value);
    if (worst === undefined) return [];
    const slow = lines.filter(({ value }) => value > (targets[label][0]?.atMost ?? 0)).length;
    return [
      {
        ...worst,
        name: `reads-${storage}.${label}`,
        what: `the slowest of ${count} reads on ${storage}: ${label.toUpperCase()}`,
        note: `${worst.what}; ${slow} of ${count} miss the target`,
        detail: false,
      },
    ];
  });
}

/** What is read is what was filled in: a service that keeps counts of its own has to know these records. */
async function checkTotals(url: string, { tasks, sessions }: Dataset): Promise<void> {
  for (const [list, expected] of Object.entries({ tasks, sessions })) {
    const answer = await fetch(`${url}/api/v1/translation/${list}?page_size=1`);
    const { total } = (await answer.json()) as { total?: number };
    if (total !== expected) throw new Error(`The list of ${list} has a total of ${total}, not ${expected}`);
  }
}
