import { startBare } from '../bare-process.ts';
import { type Bench, parkedFlusher, type StorageKind } from '../bench.ts';
import type { Family, Measurement } from '../line.ts';
import { BatchRequests, loadSession } from '../load/batches.ts';
import { getRequest } from '../load/http-connection.ts';
import type { Latencies } from '../load/latencies.ts';
import { type Requests, type SteadyLatencies, steadyLoad } from '../load/load.ts';
import { prepare } from './accept-durable.ts';

const recordsPerSecond = 10_000;
const batchRecords = 100;
const queriesPerSecond = 50;
/** A cell is written when it is pending, processing and completed: each batch comes three times, in turn with others. */
const writesOfTask = 3;
const batchesInTurn = 10;

export const acceptSteady: Family = {
  name: 'accept-steady',
  measures:
    'The time from when a batch of 100 tasks was due to its answer, at a steady 10,000 records a second on 32 connections with the default settings, so that flushes run; each task is written three times. Meanwhile 50 reads a second ask for a session, a page of its tasks and a page of sessions in turn. journal.sync: always. Once more with no flush and no reads, as the bare program has none.',
  limit: 'bare/accept.ts at the same rate, without flushes and reads.',
  storages: ['sqlite', 'mysql'],
  run: latencies,
};

async function latencies(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  await using database = await bench.loadDatabase(storage);
  await using service = await bench.service(database.url);
  await using bare = await startBare('accept', bench.temporaryFolder());
  const limit = await steadyBatches(bench, bare.url);
  await prepare(service.url);
  const [accepts, queries] = await Promise.all([
    steadyBatches(bench, service.url),
    steadyLoad(service.url, {
      ...plan(bench),
      connections: 8,
      perSecond: queriesPerSecond,
      requests: reads(),
    }),
  ]);
  const name = `accept-steady-${storage}`;
  const what = `accept at 10,000 records/s while ${storage} is flushed and read`;
  const note = `of it the load's own delay: P50 ${accepts.delays.percentile(50).toFixed(1)}, P99 ${accepts.delays.percentile(99).toFixed(1)}, max ${accepts.delays.max.toFixed(1)} ms`;
  const line = (percent: number, label: string, atMost?: number): Measurement => ({
    name: `${name}.${label.toLowerCase()}`,
    what: `${what}: ${label}`,
    value: accepts.answers.percentile(percent),
    unit: 'ms',
    limit: { value: limit.answers.percentile(percent), what: 'bare/accept.ts at the same rate' },
    targets: atMost === undefined ? [] : [{ of: 'value', atMost }],
    samples: accepts.answers.count,
  });
  return [
    { ...line(50, 'P50', 2), note },
    line(95, 'P95'),
    line(99, 'P99', 10),
    line(100, 'max', 50),
    readsLine(name, storage, queries.answers),
    ...(storage === 'sqlite' ? await aloneLines(bench, limit.answers) : []),
  ];
}

/** What of the time is accepting itself: nothing is flushed or read, so that no storage has a part in it. */
async function aloneLines(bench: Bench, limit: Latencies): Promise<Measurement[]> {
  await using database = await bench.database('sqlite');
  await using service = await bench.service(database.url, parkedFlusher);
  await prepare(service.url);
  const { answers } = await steadyBatches(bench, service.url);
  return [50, 95, 99].map((percent) => ({
    name: `accept-steady-alone.p${percent}`,
    what: `accept at 10,000 records/s with no flush and no reads: P${percent}`,
    value: answers.percentile(percent),
    unit: 'ms',
    limit: { value: limit.percentile(percent), what: 'bare/accept.ts at the same rate' },
    targets: [],
    samples: answers.count,
  }));
}

function readsLine(name: string, storage: StorageKind, answers: Latencies): Measurement {
  return {
    name: `${name}.reads-p95`,
    what: `the reads meanwhile on ${storage}: P95`,
    value: answers.percentile(95),
    unit: 'ms',
    targets: [{ of: 'value', atMost: 50 }],
    samples: answers.count,
  };
}

function steadyBatches(bench: Bench, url: string): Promise<SteadyLatencies> {
  const batch = new BatchRequests(batchRecords);
  return steadyLoad(url, {
    ...plan(bench),
    connections: 32,
    perSecond: recordsPerSecond / batchRecords,
    requests: (index) => batch.numbered(batchOf(index)),
  });
}

/** Ten batches, the same ten again, and once more; then the next ten. */
function batchOf(index: number): number {
  const turn = Math.floor(index / (batchesInTurn * writesOfTask));
  return turn * batchesInTurn + (index % batchesInTurn);
}

function reads(): Requests {
  const prefix = '/api/v1/translation';
  const requests = [
    `${prefix}/sessions/${loadSession.session_id}`,
    `${prefix}/sessions/${loadSession.session_id}/tasks`,
    `${prefix}/sessions?page_size=10`,
  ].map(getRequest);
  return (index) => requests[index % requests.length] as Uint8Array;
}

function plan({ sizes }: Bench) {
  return { seconds: sizes.steadySeconds, warmUpSeconds: sizes.steadyWarmUpSeconds };
}
