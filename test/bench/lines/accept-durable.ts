import { startBare } from '../bare-process.ts';
import { type Bench, parkedFlusher, type StorageKind } from '../bench.ts';
import type { Family, Measurement } from '../line.ts';
import { BatchRequests, sessionRequest } from '../load/batches.ts';
import { contest } from '../load/contest.ts';
import { withConnections } from '../load/http-connection.ts';

const batchRecords = 500;
export const connections = 16;
/** So many different batches are sent again and again: the buffer keeps one entry a task, and does not grow. */
const differentBatches = 20;

export const acceptDurable: Family = {
  name: 'accept-durable',
  measures:
    'Records a second that are answered 200 with journal.sync: always, from 16 connections that each send batches of 500 tasks without a pause. It is accepting alone: 10,000 different tasks are sent again and again, and nothing is flushed meanwhile.',
  limit:
    'bare/accept.ts under the same load: Bun.serve, JSON.parse, a compiled TypeBox check with the same schema, append, an fdatasync that all waiting requests share.',
  storages: ['sqlite'],
  run: acceptRate,
};

async function acceptRate(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  await using database = await bench.loadDatabase(storage);
  await using service = await bench.service(database.url, parkedFlusher);
  await using bare = await startBare('accept', bench.temporaryFolder());
  await prepare(service.url);
  const requests = repeatedBatches();
  const outcome = await contest(
    { bare: { ...bare, requests }, service: { ...service, requests } },
    { connections, seconds: bench.sizes.loadSeconds, rounds: bench.sizes.rounds },
  );
  return [
    {
      name: 'accept-durable',
      what: 'accept, durable, 16 connections, batches of 500',
      value: outcome.service.perSecond * batchRecords,
      unit: 'records/s',
      limit: { value: outcome.bare.perSecond * batchRecords, what: 'bare/accept.ts' },
      targets: [{ of: 'ratio', atLeast: 0.8 }],
      ciTargets: [{ of: 'ratio', atLeast: 0.2 }],
      samples: bench.sizes.rounds,
      note: await flushesSince(service.url),
    },
    {
      name: 'accept-durable.processor',
      what: 'processor time of the service to accept a record',
      value: outcome.service.microseconds / batchRecords,
      unit: 'µs',
      limit: { value: outcome.bare.microseconds / batchRecords, what: 'bare/accept.ts' },
      ciTargets: [{ of: 'ratio', atMost: 2.5 }],
      samples: bench.sizes.rounds,
    },
  ];
}

/** Accepts the session of a load and flushes it, so that it is known to be stored. */
export async function prepare(url: string): Promise<void> {
  await withConnections(url, 1, async ([connection]) => {
    await connection?.send(sessionRequest());
  });
  await flush(url);
}

export async function flush(url: string): Promise<void> {
  const answer = await fetch(`${url}/api/v1/translation/flush`, { method: 'POST' });
  if (!answer.ok) throw new Error(`The flush was answered ${answer.status}: ${await answer.text()}`);
}

/** The batches of the accept load, by number. */
export function repeatedBatches(): (index: number) => Uint8Array {
  const batch = new BatchRequests(batchRecords);
  const requests = Array.from({ length: differentBatches }, (_, number) => batch.numbered(number));
  return (index) => requests[index % differentBatches] as Buffer;
}

/** That nothing was flushed during the load: it would be another measurement. */
async function flushesSince(url: string): Promise<string> {
  const ask = async <Body>(path: string): Promise<Body> =>
    (await (await fetch(`${url}${path}`)).json()) as Body;
  const { flusher } = await ask<{ flusher: { state: string } }>('/health');
  const { performance } = await ask<{ performance: { total_flush_count: number } }>(
    '/api/v1/persistence/stats',
  );
  if (flusher.state !== 'idle' || performance.total_flush_count > 1) {
    throw new Error('A flush ran during a load that was to have none');
  }
  return 'no flush ran meanwhile';
}
