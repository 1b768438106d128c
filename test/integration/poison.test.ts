import { describe, expect, test } from 'bun:test';
import { Api } from '../support/api.ts';
import { seededRandom } from '../support/game-session.ts';
import { type Poison, ruleAgainstTasks, shortenedColumn } from '../support/poison.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { countStatements } from '../support/statement-counter.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const all = 1000;
const quarantinePath = '/api/v1/system/quarantine';
/** Flushes come from the tests alone. */
const environment = {
  BUFFER_FLUSH_INTERVAL: '3600',
  BUFFER_MAX_BUFFER_SIZE: '100000',
  BUFFER_FLUSH_TIMEOUT_SECONDS: '120',
};

const cases: [bad: number, how: string, poisonOf: (databaseUrl: string) => Poison][] = [
  [1, 'a rule', ruleAgainstTasks],
  [7, 'a shortened column', shortenedColumn],
  [100, 'a rule', ruleAgainstTasks],
];

interface QuarantinePage {
  total: number;
  by_code: Record<string, number>;
  items: { id: string; key: string; record: Record<string, unknown> }[];
}

for (const storage of storages) {
  describe(`tasks that the table refuses behind the service’s back, on ${storage.name}`, () => {
    test.each(cases)(
      `%d of ${all}, by %s: exactly those are quarantined, with few statements; they survive a kill -9, and are all stored once the table is mended`,
      async (bad, _, poisonOf) => {
        await using database = await storage.create();
        await using counter = await countStatements(database.url);
        using folder = temporaryFolder();
        const settings = { dataDir: folder.path, databaseUrl: counter.url, environment };
        const poison = poisonOf(database.url);
        const session = aSession();
        const tasks = poisonedTasks(session.session_id, poison, bad);
        const refused = tasks.filter((task) => isPoisoned(task, poison)).map(({ task_id }) => task_id);
        expect(refused).toHaveLength(bad);
        {
          await using service = await startServiceProcess(settings);
          const api = new Api(service.url);
          await api.sessions([session]);
          await api.flush();
          await poison.apply();
          expect((await api.tasks(tasks)).status).toBe(200);
          counter.statements.splice(0);
          expect(await api.flush()).toMatchObject({ status: 200, body: { tasks_written: all - bad } });
          expectFew(counter.statements, bad, storage.name !== 'sqlite');
          expect(await quarantined(api)).toEqual(refused.toSorted());
          await service.kill('SIGKILL');
        }
        await using service = await startServiceProcess(settings);
        const api = new Api(service.url);
        expect(await quarantined(api)).toEqual(refused.toSorted());
        expect(await storedOf(api, session.session_id)).toBe(all - bad);

        const retry = () => api.post(`${quarantinePath}/retry`);
        expect((await retry()).body).toEqual({
          status: 'completed',
          retried: bad,
          stored: 0,
          still_refused: bad,
        });
        expect(await quarantined(api)).toEqual(refused.toSorted());

        await poison.mend();
        expect((await retry()).body).toEqual({
          status: 'completed',
          retried: bad,
          stored: bad,
          still_refused: 0,
        });
        expect(await quarantined(api)).toEqual([]);
        expect(await storedOf(api, session.session_id)).toBe(all);
        const one = tasks.find(({ task_id }) => task_id === refused[0]);
        const { body } = await api.get(`/api/v1/translation/tasks/${one?.task_id}`);
        expect(body).toMatchObject(one ?? {});
        const health = await api.get<{ quarantine: object }>('/health');
        expect(health.body.quarantine).toEqual({ records: 0 });
      },
      180_000,
    );
  });
}

/** Bisection finds a bad row in so many steps, and each step writes both halves. */
function expectFew(statements: readonly string[], bad: number, counted: boolean): void {
  if (!counted) return;
  const writes = statements.filter((text) => /INSERT INTO `translation_tasks`/.test(text)).length;
  const steps = bad * Math.log2(all);
  expect(writes).toBeGreaterThan(bad);
  expect(writes).toBeLessThanOrEqual(3 * steps);
  // Each write is a transaction of its own, which looks for deletions first.
  expect(statements.length).toBeLessThanOrEqual(4 * 3 * steps);
}

function poisonedTasks(sessionId: string, { bad }: Poison, count: number) {
  const random = seededRandom(count);
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(Math.floor(random() * all));
  return Array.from({ length: all }, (_, row) =>
    aTask(sessionId, { row_index: row, ...(chosen.has(row) ? bad : {}) }),
  );
}

function isPoisoned(task: Readonly<Record<string, unknown>>, { bad }: Poison): boolean {
  return Object.entries(bad).every(([field, value]) => task[field] === value);
}

/** The keys of all that is in the quarantine, sorted; every page says the same total. */
async function quarantined(api: Api): Promise<string[]> {
  const keys: string[] = [];
  for (let page = 1; ; page += 1) {
    const { body } = await api.get<QuarantinePage>(`${quarantinePath}?page=${page}&page_size=30`);
    expect(Object.values(body.by_code).reduce((sum, count) => sum + count, 0)).toBe(body.total);
    keys.push(...body.items.map(({ key }) => key));
    if (keys.length >= body.total || body.items.length === 0) return keys.toSorted();
  }
}

async function storedOf(api: Api, sessionId: string): Promise<number> {
  const { body } = await api.get<{ total: number }>(
    `/api/v1/translation/sessions/${sessionId}/tasks?page_size=1`,
  );
  return body.total;
}
