import { seededRandom } from '../../support/game-session.ts';
import { startBare } from '../bare-process.ts';
import type { Bench, StorageKind } from '../bench.ts';
import { storedSessionId, storedTaskId } from '../dataset.ts';
import type { Family, Measurement } from '../line.ts';
import { contest } from '../load/contest.ts';
import { getRequest } from '../load/http-connection.ts';
import type { Requests } from '../load/load.ts';

const connections = 32;
const differentIds = 1000;

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
    const reading = (pathOf: (id: string) => string): Requests => {
      const requests = ids.map((id) => getRequest(pathOf(id)));
      return (index) => requests[index % differentIds] as Uint8Array;
    };
    const outcome = await contest(
      {
        bare: { ...bare, requests: reading((id) => `/${list}?${id}`) },
        service: { ...service, requests: reading((id) => `/api/v1/translation/${list}/${id}`) },
      },
      { connections, seconds: bench.sizes.loadSeconds, rounds: bench.sizes.rounds },
    );
    lines.push({
      name: `point-reads.${list}`,
      what: `GET ${list}/{id} on MySQL, 32 connections`,
      value: outcome.service.perSecond,
      unit: 'answers/s',
      limit: { value: outcome.bare.perSecond, what: 'bare/select.ts' },
      targets: [
        { of: 'ratio', atLeast: 0.7 },
        { of: 'value', atLeast: 3000 },
      ],
      ciTargets: [{ of: 'ratio', atLeast: 0.1 }],
      samples: bench.sizes.rounds,
      note: `processor time an answer: ${outcome.service.microseconds.toFixed(0)} µs, bare ${outcome.bare.microseconds.toFixed(0)} µs`,
    });
  }
  return lines;
}
