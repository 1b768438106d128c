import { seededRandom } from '../../support/game-session.ts';
import type { Bench } from '../bench.ts';
import type { Family, Measurement } from '../line.ts';
import { batchTasks, tasksBatchPath } from '../load/batches.ts';
import { postRequest } from '../load/http-connection.ts';
import { sendAll } from '../load/load.ts';
import { flush, prepare } from './accept-durable.ts';

const connections = 16;

export const statements: Family = {
  name: 'statements',
  measures:
    'Statements that the server counts while single-record updates are accepted with the default settings and then flushed: everything the service sends, transactions and its own questions too. Each update is of a task drawn at random; all tasks are stored before.',
  limit: 'One statement an update, as a client without the service sends it.',
  storages: ['mysql'],
  run: async (bench) => [await statementsOfUpdates(bench)],
};

async function statementsOfUpdates(bench: Bench): Promise<Measurement> {
  const { updates, updatedTasks } = bench.sizes;
  const server = await bench.mysql();
  await using database = await bench.database('mysql');
  await using counter = await server.countingStatements(database.url);
  await using service = await bench.service(counter.url);
  await prepare(service.url);
  const requests = batchTasks(updatedTasks).map((task) =>
    postRequest(tasksBatchPath, JSON.stringify({ tasks: [task] })),
  );
  const send = (count: number, requestOf: (index: number) => number): Promise<void> =>
    sendAll(service.url, { connections, count, requests: (index) => requests[requestOf(index)] as Buffer });
  await send(updatedTasks, (index) => index);
  await flush(service.url);
  const before = await counter.sent();
  const startedMs = performance.now();
  const random = seededRandom(1);
  await send(updates, () => Math.floor(random() * updatedTasks));
  const seconds = (performance.now() - startedMs) / 1000;
  await flush(service.url);
  const sent = (await counter.sent()) - before;
  return {
    name: 'statements',
    what: `statements to MySQL for ${updates} updates of ${updatedTasks} tasks`,
    value: sent,
    unit: 'statements',
    limit: { value: updates, what: 'one an update' },
    targets: [{ of: 'ratio', atMost: 0.01 }],
    ciTargets: [{ of: 'ratio', atMost: 0.05 }],
    samples: 1,
    note: `counted: ${counter.counts}; ${Math.round(updates / seconds)} updates/s were accepted`,
  };
}
