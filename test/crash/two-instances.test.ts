import { describe, expect, test } from 'bun:test';
import { Api } from '../support/api.ts';
import { seededRandom } from '../support/game-session.ts';
import { isLongForm, seed } from '../support/long-form.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const runs = isLongForm ? 12 : 1;
const steps = isLongForm ? 200 : 80;
const sessionIds = ['session-0', 'session-1', 'session-2'];
const tasksOfSession = 3;
const base = '/api/v1/translation';

type Row = Record<string, unknown>;

/** What storage has to have in the end, if every instance's writes count in the order of their acceptance. */
interface Expected {
  sessions: Map<string, Row>;
  tasks: Map<string, Row>;
  /**
   * The counters that an instance has buffered, by session: a deletion by the other one does not reach them, and the
   * next write of this instance takes them along.
   */
  bufferedCounters: [Map<string, number>, Map<string, number>];
}

for (const storage of storages.filter(({ name }) => name !== 'sqlite')) {
  describe(`two instances on one ${storage.name}`, () => {
    for (let run = 0; run < runs; run += 1) {
      test(`the newest acceptance wins, row for row, whoever flushes first, dies or deletes: seed ${seed + run}`, async () => {
        const random = seededRandom(seed + run);
        const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
        await using database = await storage.create();
        using folders = temporaryFolder();
        const start = (name: string): Promise<ServiceProcess> =>
          startServiceProcess({
            dataDir: `${folders.path}/${name}`,
            databaseUrl: database.url,
            environment: { BUFFER_FLUSH_INTERVAL: '3600' },
          });
        const instances = [await start('0'), await start('1')];
        await using parts = new AsyncDisposableStack();
        parts.defer(() => killAll(instances));
        const expected: Expected = {
          sessions: new Map(),
          tasks: new Map(),
          bufferedCounters: [new Map(), new Map()],
        };
        for (let step = 1; step <= steps; step += 1) {
          const place = pick([0, 1] as const);
          const buffered = expected.bufferedCounters[place];
          const api = new Api((instances[place] as ServiceProcess).url);
          await nextMillisecond();
          const chance = random();
          if (chance < 0.75) await write(api, expected, buffered, pick(sessionIds), step, random);
          else if (chance < 0.82) {
            expect((await api.flush()).status).toBe(200);
            buffered.clear();
          } else if (chance < 0.92) {
            await flushBoth(instances, expected, pick([0, 1]));
          } else if (chance < 0.97) {
            if (await deleteSession(api, expected, pick(sessionIds))) buffered.clear();
          } else {
            await instances[place]?.kill('SIGKILL');
            instances[place] = await start(String(place));
            expect((await new Api(instances[place].url).flush()).status).toBe(200);
            buffered.clear();
          }
        }
        await flushBoth(instances, expected, 0);
      }, 300_000);
    }
  });
}

/** Writes of the same millisecond have no order between instances. */
async function nextMillisecond(): Promise<void> {
  const nowMs = Date.now();
  await waitUntil('a millisecond has passed', () => Date.now() > nowMs + 1);
}

/** A session and some of its tasks, each with every field that changes. */
async function write(
  api: Api,
  expected: Expected,
  buffered: Map<string, number>,
  id: string,
  step: number,
  random: () => number,
): Promise<void> {
  const completed = Math.floor(random() * 1000);
  const session = aSession({
    session_id: id,
    filename: `file ${step}`,
    processing_tasks: step,
    completed_tasks: completed,
  });
  expect((await api.sessions([session])).status).toBe(200);
  buffered.set(id, Math.max(completed, buffered.get(id) ?? 0));
  const known = Number(expected.sessions.get(id)?.completed_tasks ?? 0);
  expected.sessions.set(id, { ...session, completed_tasks: Math.max(known, buffered.get(id) ?? 0) });
  await nextMillisecond();
  const tasks = Array.from({ length: tasksOfSession }, (_, row) =>
    aTask(id, {
      task_id: `${id}-${row}`,
      row_index: row,
      retry_count: step,
      target_text: `text ${step}`,
      context: `context ${step}`,
    }),
  ).filter(() => random() < 0.6);
  if (tasks.length === 0) return;
  expect((await api.tasks(tasks)).status).toBe(200);
  for (const task of tasks) expected.tasks.set(task.task_id, { ...task });
}

/** False when this instance knows of no such session; what the other has accepted before is deleted with it. */
async function deleteSession(api: Api, expected: Expected, id: string): Promise<boolean> {
  const { status } = await api.delete(`${base}/sessions/${id}`);
  if (status === 404) return false;
  expect(status).toBe(200);
  expected.sessions.delete(id);
  for (const [key, { session_id }] of expected.tasks) if (session_id === id) expected.tasks.delete(key);
  return true;
}

/** Whoever flushes last brings nothing that is older than what the first one has stored. */
async function flushBoth(
  instances: readonly ServiceProcess[],
  expected: Expected,
  first: number,
): Promise<void> {
  const apis = instances.map(({ url }) => new Api(url));
  for (const api of first === 0 ? apis : apis.toReversed()) expect((await api.flush()).status).toBe(200);
  for (const buffered of expected.bufferedCounters) buffered.clear();
  for (const api of apis) await expectStored(api, expected);
}

async function expectStored(api: Api, expected: Expected): Promise<void> {
  for (const kind of ['sessions', 'tasks'] as const) {
    const { body } = await api.get<{ items: Row[] }>(`${base}/${kind}?page_size=100`);
    const stored = new Map(
      body.items.map((row) => [String(row[kind === 'sessions' ? 'session_id' : 'task_id']), row]),
    );
    expect([...stored.keys()].toSorted()).toEqual([...expected[kind].keys()].toSorted());
    for (const [key, row] of expected[kind]) expect(stored.get(key)).toMatchObject(row);
  }
  expect((await api.get('/health')).body).toMatchObject({ quarantine: { records: 0 } });
}

async function killAll(instances: readonly ServiceProcess[]): Promise<void> {
  for (const instance of instances) await instance.kill('SIGKILL');
}
