import { afterAll, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Answer, Api } from '../support/api.ts';
import {
  type Call,
  type Fields,
  history,
  type Settings,
  type Step,
  sessionIds,
  taskIds,
} from '../support/histories.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase, type TestStorage } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  acceptedElsewhere,
  distinct,
  emptyWorld,
  flushed,
  flushedElsewhere,
  isOvertaken,
  type Outcome,
  recognised,
  type Seen,
  type World,
  worldsAfter,
} from '../support/world.ts';

/** More find more: `PROPERTY_RUNS=200 npm test -- test/integration/histories`. */
const runs = Number(process.env.PROPERTY_RUNS ?? (process.env.TEST_LONG ? 100 : 2));
/** What a failure names, to see it again. */
const { PROPERTY_SEED: seed, PROPERTY_PATH: path } = process.env;
/** After a failure, so long for a smaller one. */
const shrinkingMsMax = 60_000;
const runMsMax = 20_000;
const base = '/api/v1/translation';

for (const storage of storages) {
  describe(`on ${storage.name}`, () => {
    let stage: Stage | undefined;
    let shrinkingEndsMs = Number.POSITIVE_INFINITY;
    afterAll(() => stage?.[Symbol.asyncDispose]());

    test(
      'whatever is written, changed, deleted, restarted and killed, what is read is what a naive model says',
      async () => {
        const property = fc.asyncProperty(history, async ({ settings, steps }) => {
          if (performance.now() > shrinkingEndsMs) return;
          const used = stage ?? (await Stage.on(storage));
          // What a failure leaves behind must not be seen by the next run.
          stage = undefined;
          try {
            await used.play(settings, steps);
            stage = used;
          } catch (error) {
            shrinkingEndsMs = Math.min(shrinkingEndsMs, performance.now() + shrinkingMsMax);
            await used[Symbol.asyncDispose]();
            throw error;
          }
        });
        await fc.assert(property, {
          numRuns: runs,
          asyncReporter: report,
          ...(seed === undefined ? {} : { seed: Number(seed) }),
          ...(path === undefined ? {} : { path }),
        });
      },
      runs * runMsMax + shrinkingMsMax,
    );
  });
}

/** Says what failed without printing the texts in full. */
async function report<Values>(details: fc.RunDetails<Values>): Promise<void> {
  if (!details.failed) return;
  const { seed, counterexamplePath, numRuns, numShrinks, errorInstance } = details;
  throw new Error(
    `PROPERTY_SEED=${seed} PROPERTY_PATH=${counterexamplePath} fails, after ${numRuns} runs and ${numShrinks} shrinks`,
    { cause: errorInstance },
  );
}

/** A database, a data folder and a service on them, and the worlds that all answers so far allow. */
class Stage implements AsyncDisposable {
  readonly #database: TestDatabase;
  readonly #folder = temporaryFolder();
  #service: ServiceProcess | undefined;
  #elsewhere: ServiceProcess | undefined;
  #settings: Settings | undefined;
  #worlds: World[] = [];
  #told: string[] = [];

  static async on(storage: TestStorage): Promise<Stage> {
    return new Stage(await storage.create());
  }

  private constructor(database: TestDatabase) {
    this.#database = database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service?.[Symbol.asyncDispose]();
    await this.#elsewhere?.[Symbol.asyncDispose]();
    await this.#database[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }

  /** Plays a history from an empty world on, and leaves an empty world. */
  async play(settings: Settings, steps: readonly Step[]): Promise<void> {
    this.#worlds = [emptyWorld];
    this.#told = [];
    try {
      if (this.#service === undefined) await this.#start(settings);
      for (const step of steps) await this.#perform(step);
      await this.#flushElsewhere();
      await this.#look();
      for (const session_id of sessionIds)
        await this.#perform({ kind: 'delete', session_id, mode: undefined });
      await this.#look();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${this.#told.join('\n')}\n\n${message}`);
    }
  }

  async #perform(step: Step): Promise<void> {
    this.#told.push(brief(step));
    awaitNextMillisecond();
    switch (step.kind) {
      case 'look':
        return await this.#look();
      case 'restart':
        await this.#end('SIGTERM');
        return await this.#start(step.settings);
      case 'elsewhere':
        return await this.#writeElsewhere(step);
      case 'flush elsewhere':
        return await this.#flushElsewhere();
      case 'kill':
        return await this.#kill(step.during, step.settings);
      case 'together':
        return this.#follow(await Promise.all(step.calls.map((call) => this.#call(call))));
      default:
        return this.#follow([await this.#call(step)]);
    }
  }

  #follow(outcomes: readonly [Call, Outcome][]): void {
    for (const [{ kind }, { answer }] of outcomes) {
      this.#told.push(`  ${kind}: ${answer?.status} ${brief(answer?.body)}`);
    }
    const worlds = this.#worlds.flatMap((world) => worldsAfter(world, outcomes));
    if (worlds.length === 0) throw new Error('No order of these calls explains their answers.');
    this.#worlds = distinct(worlds);
  }

  async #call(call: Call, service = this.#service): Promise<[Call, Outcome]> {
    const fromMs = Date.now();
    const answer = await send(new Api(service?.url ?? ''), call);
    return [call, { answer, during: [fromMs, Date.now()] }];
  }

  /** Kills the service at the first answer, or right away when there is nothing to wait for. */
  async #kill(during: readonly Call[], settings: Settings): Promise<void> {
    const calls = during.map((call) => this.#callTheDying(call));
    if (calls.length > 0) await Promise.race(calls);
    await this.#end('SIGKILL');
    this.#follow(await Promise.all(calls));
    await this.#start(settings);
  }

  async #writeElsewhere({ what, rows }: Step & { kind: 'elsewhere' }): Promise<void> {
    // Two lives of one session in one batch of another instance cannot be told apart there.
    if (this.#worlds.some(isOvertaken)) await this.#flushElsewhere();
    this.#elsewhere ??= await this.#startService(
      { bufferedMax: 100_000, segmentBytesMax: 67_108_864 },
      'elsewhere',
    );
    const [, { answer, during }] = await this.#call({ kind: what, rows }, this.#elsewhere);
    this.#told.push(`  ${answer?.status} ${brief(answer?.body)}`);
    if (answer?.status !== 200) return expect([answer?.status, what]).toEqual([422, 'tasks']);
    this.#worlds = this.#worlds.map((world) => acceptedElsewhere(world, { kind: what, rows, during }));
  }

  async #flushElsewhere(): Promise<void> {
    if (this.#elsewhere === undefined) return;
    for (const service of [this.#service, this.#elsewhere]) {
      expect((await new Api(service?.url ?? '').flush()).status).toBe(200);
    }
    this.#worlds = distinct(this.#worlds.map(flushedElsewhere));
  }

  async #callTheDying(call: Call): Promise<[Call, Outcome]> {
    const fromMs = Date.now();
    return await this.#call(call).catch(() => [call, { during: [fromMs, Date.now()] }]);
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    expect(await this.#service?.kill(signal)).toBe(signal === 'SIGTERM' ? 0 : signal);
  }

  async #start(settings: Settings): Promise<void> {
    this.#service = await this.#startService(settings, 'here');
    this.#settings = settings;
    // What is replayed is flushed, and the model cannot know when.
    this.#worlds = this.#worlds.map((world) => ({ ...flushed(world, false), flushesByItself: true }));
  }

  #startService(settings: Settings, name: string): Promise<ServiceProcess> {
    return startServiceProcess({
      dataDir: join(this.#folder.path, name),
      databaseUrl: this.#database.url,
      environment: {
        BUFFER_FLUSH_INTERVAL: '3600',
        RETENTION_SCHEDULE: 'off',
        BUFFER_MAX_BUFFER_SIZE: String(settings.bufferedMax),
        JOURNAL_SEGMENT_BYTES_MAX: String(settings.segmentBytesMax),
      },
    });
  }

  /** Reads everything and keeps the worlds that it can be. */
  async #look(): Promise<void> {
    const seen = await readAll(new Api(this.#service?.url ?? ''));
    const recognitions = this.#worlds.map((world) => recognised(world, seen));
    const worlds = recognitions.filter((each) => typeof each !== 'string');
    if (worlds.length === 0)
      throw new Error(`What is read is not what was written:\n${recognitions.join('\n')}`);
    const flushesByItself = this.#settings?.bufferedMax !== 100_000;
    this.#worlds = distinct(worlds.map((world) => ({ ...flushed(world, true), flushesByItself })));
  }
}

/** Two instances number their writes by the same clock: no two steps may fall into one of its milliseconds. */
function awaitNextMillisecond(): void {
  for (const nowMs = Date.now(); Date.now() === nowMs; );
}

/** Abbreviated JSON. */
function brief(value: unknown): string {
  const text = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'string' && inner.length > 40 ? `${inner.slice(0, 38)}… (${inner.length})` : inner,
  ) as string | undefined;
  return text ?? 'none';
}

function send(api: Api, call: Call): Promise<Answer<Fields>> {
  switch (call.kind) {
    case 'sessions':
      return api.sessions(call.rows);
    case 'tasks':
      return api.tasks(call.rows);
    case 'status':
      return api.patch(`${sessionPath(call.session_id)}/status`, { status: call.status });
    case 'delete':
      return api.delete(sessionPath(call.session_id) + (call.mode === undefined ? '' : `?mode=${call.mode}`));
    case 'cleanup':
      return cleanUp(api, call);
    case 'flush':
      return api.flush();
    case 'refused':
      return sendRefused(api, call);
  }
}

function cleanUp(api: Api, { method, request }: Call & { kind: 'cleanup' }): Promise<Answer<Fields>> {
  const path = `${base}/sessions/cleanup`;
  if (method === 'POST') return api.post(path, request);
  const query = new URLSearchParams(
    Object.entries(request).map(([name, value]): [string, string] => [name, String(value)]),
  );
  return api.delete(`${path}?${query}`);
}

function sendRefused(
  api: Api,
  { what, session_id, rows }: Call & { kind: 'refused' },
): Promise<Answer<Fields>> {
  switch (what) {
    case 'sessions':
      return api.sessions(rows);
    case 'tasks':
      return api.tasks(rows);
    case 'status':
      return api.patch(`${sessionPath(session_id)}/status`, { status: 'unheard of' });
  }
}

const sessionPath = (id: string) => `${base}/sessions/${encodeURIComponent(id)}`;
const taskPath = (id: string) => `${base}/tasks/${encodeURIComponent(id)}`;

/** Reads everything in every way there is, fresh at first; each way must show the same. */
async function readAll(api: Api): Promise<Seen> {
  const read = async (path: string): Promise<Fields> => {
    const { status, body } = await api.get<Fields>(path);
    expect({ path, status }).toEqual({ path, status: 200 });
    return body;
  };
  const inOrder = 'page_size=100&sort_by=created_at&order=asc';
  const sessions = itemsOf(await read(`${base}/sessions?${inOrder}&fresh=true`), 'session_id');
  const tasks = itemsOf(await read(`${base}/tasks?${inOrder}`), 'task_id');
  const unfinished = (rows: readonly Fields[]) =>
    rows.filter(({ status }) => status === 'pending' || status === 'processing');

  expect(itemsById(await read(`${base}/recovery/incomplete-sessions`), 'sessions', 'session_id')).toEqual(
    byId(unfinished(sessions), 'session_id'),
  );
  for (const id of taskIds) {
    expect(await found(api.get(taskPath(id)))).toEqual(tasks.find(({ task_id }) => task_id === id));
  }
  for (const id of sessionIds) {
    const session = sessions.find(({ session_id }) => session_id === id);
    expect(await found(api.get(sessionPath(id)))).toEqual(session);
    const own = tasks.filter(({ session_id }) => session_id === id);
    const page = await found(api.get(`${sessionPath(id)}/tasks?${inOrder}`));
    expect(page && itemsOf(page, 'task_id')).toEqual(session && own);
    const restored = await found(api.post(`${base}/recovery/restore/${encodeURIComponent(id)}`));
    expect(restored?.session).toEqual(session);
    expect(restored && itemsById(restored, 'tasks', 'task_id')).toEqual(
      session && byId(unfinished(own), 'task_id'),
    );
  }
  expectCounted(await read(`${base}/stats?fresh=true`), { sessions, tasks });
  return { sessions, tasks };
}

async function found(answering: Promise<Answer<Fields>>): Promise<Fields | undefined> {
  const { status, body } = await answering;
  if (status === 200) return body;
  expect({ status, error_code: body.error_code }).toEqual({ status: 404, error_code: 'NOT_FOUND' });
  return undefined;
}

/** The items of a list's only page, which counts them, in the order of their creation. */
function itemsOf(page: Fields, key: string): Fields[] {
  const items = page.items as Fields[];
  expect(page).toMatchObject({
    total: items.length,
    total_pages: Math.min(items.length, 1),
    next_cursor: null,
  });
  const ranks = items.map(
    (item) => `${Date.parse(String(item.created_at))} ${Buffer.from(String(item[key])).toString('hex')}`,
  );
  expect(ranks).toEqual(ranks.toSorted());
  return items;
}

function itemsById(body: Fields, name: string, key: string): Fields[] {
  return byId(body[name] as Fields[], key);
}

function byId(rows: readonly Fields[], key: string): Fields[] {
  return rows.toSorted((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1));
}

function expectCounted(statistics: Fields, { sessions, tasks }: Seen): void {
  const counted = (rows: readonly Fields[]) => {
    const counts: Fields = { total: rows.length };
    for (const { status } of rows) counts[String(status)] = Number(counts[String(status)] ?? 0) + 1;
    return counts;
  };
  const none = { pending: 0, processing: 0, completed: 0, failed: 0 };
  expect(statistics.sessions).toEqual({ ...none, cancelled: 0, ...counted(sessions) });
  expect(statistics.tasks).toEqual({ ...none, ...counted(tasks) });
  expect(statistics.storage).toMatchObject({
    sessions_table_rows: sessions.length,
    tasks_table_rows: tasks.length,
  });
}
