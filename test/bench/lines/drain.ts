import { runBare } from '../bare-process.ts';
import { type Bench, parkedFlusher, type StorageKind } from '../bench.ts';
import type { Family, Measurement } from '../line.ts';
import { BatchRequests } from '../load/batches.ts';
import { median } from '../load/latencies.ts';
import { sendAll } from '../load/load.ts';
import { ProcessorCost } from '../process-usage.ts';
import { flush, prepare } from './accept-durable.ts';

const batchRecords = 500;

export const drain: Family = {
  name: 'drain',
  measures:
    'Records a second from the buffer into storage: a backlog of new tasks is accepted with no flush running, then one POST /flush is timed; then the same tasks again, as updates. Nothing else is asked meanwhile.',
  limit:
    'bare/drain-mysql.ts, a mysql2 loop of multi-row upserts, and bare/drain-sqlite.ts, a bun:sqlite loop of upserts in one transaction a chunk: chunks of 1000 rows with the same texts, made beforehand, into an equal empty database.',
  storages: ['sqlite', 'mysql'],
  run: drainRate,
};

async function drainRate(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  const rates = { service: [] as number[], bare: [] as number[] };
  const bareMicroseconds: number[] = [];
  const cost = new ProcessorCost();
  for (let round = 0; round < bench.sizes.rounds; round += 1) {
    const { perSecond = Number.NaN, microseconds = Number.NaN } = await bareDrain(bench, storage);
    rates.bare.push(perSecond);
    bareMicroseconds.push(microseconds);
    rates.service.push(await serviceRate(bench, storage, cost));
  }
  const target = storage === 'mysql' ? 0.9 : 0.8;
  return [
    {
      name: `drain-${storage}`,
      what: `drain of a backlog into ${storage}`,
      value: median(rates.service),
      unit: 'records/s',
      limit: { value: median(rates.bare), what: `bare/drain-${storage}.ts` },
      targets: [{ of: 'ratio', atLeast: target }],
      ciTargets: [{ of: 'ratio', atLeast: 0.1 }],
      samples: bench.sizes.rounds,
      note: `processor time a record: ${cost.microseconds.toFixed(0)} µs, bare ${median(bareMicroseconds).toFixed(0)} µs`,
    },
  ];
}

async function bareDrain(bench: Bench, storage: StorageKind): Promise<Record<string, number>> {
  await using database = await bench.database(storage);
  return await runBare(`drain-${storage}`, database.url, String(bench.sizes.drainRecords));
}

async function serviceRate(bench: Bench, storage: StorageKind, cost: ProcessorCost): Promise<number> {
  await using database = await bench.database(storage);
  await using service = await bench.service(database.url, parkedFlusher);
  await prepare(service.url);
  const batch = new BatchRequests(batchRecords);
  const count = bench.sizes.drainRecords / batchRecords;
  let flushMs = 0;
  for (const _ of ['new', 'again']) {
    await sendAll(service.url, { connections: 4, count, requests: (index) => batch.numbered(index) });
    const startedMs = performance.now();
    await cost.of(service.pid, async () => {
      await flush(service.url);
      return bench.sizes.drainRecords;
    });
    flushMs += performance.now() - startedMs;
  }
  return (2 * bench.sizes.drainRecords) / (flushMs / 1000);
}
