import { seededRandom } from '../../support/game-session.ts';
import { startBare } from '../bare-process.ts';
import type { Bench, StorageKind } from '../bench.ts';
import { storedSessionId, storedTaskId } from '../dataset.ts';
import type { Family, Measurement } from '../line.ts';
import { getRequest } from '../load/http-connection.ts';
import { median } from '../load/latencies.ts';
import { fullLoad } from '../load/load.ts';

const connections = 32;
const differentIds = 1000;
const warmUpSeconds = 0.3;

export const pointReads: Family = {
  name: 'point-reads',
  measures:
    'Answers a second to GET sessions/{id} and GET tasks/{id} of 1000 ids drawn at random, from 32 connections that ask without a pause.',
  limit: 'bare/select.ts: Bun.serve and mysql2 with a pool of 10 connections, doing the same select.',
  storages: ['mysql'],
  run: pointReadRates,
};

async function pointReadRates(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  const dataset = await bench.dataset(storage);
  await using service = await bench.service(dataset.url);
  await using bare = await startBare(
    'select',
    dataset.url,
    JSON.stringify({
      sessions: 'SELECT * FROM translation_sessions WHERE session_id = ?',
      tasks: 'SELECT * FROM translation_tasks WHERE task_id = ?',
    }),
  );
  const lines: Measurement[] = [];
  for (const list of ['sessions', 'tasks'] as const) {
    const idOf = list === 'sessions' ? storedSessionId : storedTaskId;
    const random = seededRandom(2);
    const ids = Array.from({ length: differentIds }, () => idOf(dataset, random));
    const paths = {
      service: (id: string) => `/api/v1/translation/${list}/${id}`,
      bare: (id: string) => `/${list}?${id}`,
    };
    const rateOf = (url: string, pathOf: (id: string) => string, seconds: number): Promise<number> => {
      const requests = ids.map((id) => getRequest(pathOf(id)));
      return fullLoad(url, {
        connections,
        seconds,
        requests: (index) => requests[index % differentIds] as Uint8Array,
      });
    };
    await rateOf(service.url, paths.service, warmUpSeconds);
    await rateOf(bare.url, paths.bare, warmUpSeconds);
    const rates = { service: [] as number[], bare: [] as number[] };
    for (let round = 0; round < bench.sizes.rounds; round += 1) {
      rates.bare.push(await rateOf(bare.url, paths.bare, bench.sizes.loadSeconds));
      rates.service.push(await rateOf(service.url, paths.service, bench.sizes.loadSeconds));
    }
    lines.push({
      name: `point-reads.${list}`,
      what: `GET ${list}/{id} on MySQL, 32 connections`,
      value: median(rates.service),
      unit: 'answers/s',
      limit: { value: median(rates.bare), what: 'bare/select.ts' },
      targets: [
        { of: 'ratio', atLeast: 0.7 },
        { of: 'value', atLeast: 3000 },
      ],
      ciTargets: [{ of: 'ratio', atLeast: 0.25 }],
      samples: bench.sizes.rounds,
    });
  }
  return lines;
}
