import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { TaskRecord } from '../../src/modules/translation/records.ts';
import { Api } from '../support/api.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { completedDays, completedDaysOf, fill, numberedTask, numberOf, sessionOf } from './filling.ts';
import { latencies, SteadyWriter, type Written } from './steady-writer.ts';

/**
 * What holds for a few rows holds for very many, while others write. `npm run test:large` runs this on a million tasks;
 * `npm test` on so few that it takes seconds.
 */
const amount = {
  sessions: Number(process.env.LARGE_TEST_SESSIONS ?? 40),
  tasks: Number(process.env.LARGE_TEST_TASKS ?? 20_000),
};
const isLarge = amount.tasks > 100_000;
const limitMs = isLarge ? 3_600_000 : 60_000;

/** A thousand tasks a second; where a clean-up is over soon, in smaller batches, so that one of them meets it. */
const batchTasks = isLarge ? 100 : 20;
const batchIntervalMs = batchTasks;
/** How many show the usual latency. */
const usualBatches = isLarge ? 100 : 50;
/** What no batch may take longer than. */
const batchLimitMs = 100;

function expectNotHeldUp(rounds: readonly Written[]): void {
  for (const { refused, largestHeldUp } of rounds) {
    expect(refused).toEqual([]);
    expect(largestHeldUp).toBeLessThan(batchLimitMs);
  }
}

const base = '/api/v1/translation';

for (const storage of new Set([storages[0], storages.at(-1)].filter((each) => each !== undefined))) {
  describe(`${amount.tasks} tasks on ${storage.name}`, () => {
    const folder = temporaryFolder();
    let database: TestDatabase;
    let service: ServiceProcess;
    let api: Api;
    /** Numbers of tasks that were written meanwhile: of those that were there, and new ones. */
    const updated = new Set<number>();
    let tasksEver = amount.tasks;

    const report = (what: string, figures: unknown): void => {
      if (isLarge || process.env.LARGE_TEST_REPORT)
        console.log(`${storage.name}: ${what}: ${JSON.stringify(figures)}`);
    };

    beforeAll(async () => {
      database = await storage.create();
      const startMs = performance.now();
      await fill(database.url, amount);
      report('filled', { seconds: Math.round((performance.now() - startMs) / 1000) });
      service = await startServiceProcess({
        dataDir: folder.path,
        databaseUrl: database.url,
        environment: { RETENTION_SCHEDULE: 'off' },
      });
      api = new Api(service.url);
    }, limitMs);

    afterAll(async () => {
      await service[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    /** Half of a batch are tasks that are there, half are new; all of one session that is being worked on. */
    function batchOfKept(batch: number): TaskRecord[] {
      const session = ((batch * 2) % amount.sessions) + 1;
      return Array.from({ length: batchTasks }, (_, index) => {
        if (index % 2 === 0) return numberedTask(tasksEver++, session);
        const first = Math.ceil((session * amount.tasks) / amount.sessions);
        const number = first + ((batch * 37 + index) % Math.floor(amount.tasks / amount.sessions));
        updated.add(number);
        return numberedTask(number, session, { target_text: `in batch ${batch}` });
      });
    }

    const startWriter = (): SteadyWriter => new SteadyWriter(service, batchIntervalMs, batchOfKept);

    async function pageThrough(order: string) {
      const seen = new Map<number, number>();
      const latenciesMs: number[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const startMs = performance.now();
        const path: string = `${base}/tasks?page_size=100&${order}${cursor === '' ? '' : `&cursor=${cursor}`}`;
        const { body } = await api.get<{ next_cursor: string | null; items: { task_id: string }[] }>(path);
        latenciesMs.push(performance.now() - startMs);
        for (const item of body.items) seen.set(numberOf(item), (seen.get(numberOf(item)) ?? 0) + 1);
        cursor = body.next_cursor;
      }
      return { seen, pages: latencies(latenciesMs) };
    }

    test(
      `statistics hold up no batch for ${batchLimitMs} ms`,
      async () => {
        const rounds: Written[] = [];
        while (rounds.length < 3) {
          // Its sessions are looked up in storage: the service has not seen them yet.
          const writer = startWriter();
          const startMs = performance.now();
          while (writer.sent < usualBatches) expect((await api.get(`${base}/stats`)).status).toBe(200);
          const ms = Math.round(performance.now() - startMs);
          rounds.push(await writer.stop());
          report('batches beside statistics', { ms, ...rounds.at(-1) });
        }
        expectNotHeldUp(rounds);
      },
      limitMs,
    );

    test.each([
      ['created_at', 'asc'],
      ['created_at', 'desc'],
      ['updated_at', 'asc'],
      ['updated_at', 'desc'],
    ])(
      'paging by %s, %s, visits each row that stays in its place exactly once, while others are written',
      async (field, order) => {
        await api.flush();
        updated.clear();
        const tasksBefore = tasksEver;
        const writer = startWriter();
        await waitUntil('something is written', () => updated.size > 0);
        const { seen, pages } = await pageThrough(`sort_by=${field}&order=${order}`);
        const { refused, ...batches } = await writer.stop();
        report(`paging by ${field}, ${order}`, { pages, batches });
        expect(refused).toEqual([]);
        await api.flush();
        for (let number = 0; number < tasksBefore; number += 1) {
          const times = seen.get(number) ?? 0;
          const moved = field === 'updated_at' && updated.has(number);
          // What moves while the pages are read is met again at the end, or has left for the beginning.
          const expected = !moved ? times === 1 : order === 'asc' ? times >= 1 : times <= 1;
          if (!expected) throw new Error(`Task ${number} was seen ${times} times`);
        }
      },
      limitMs,
    );

    test(
      `a clean-up of half of them holds up no batch for ${batchLimitMs} ms, and counts exactly`,
      async () => {
        const quiet = startWriter();
        await waitUntil('the usual latency is known', () => quiet.sent >= usualBatches);
        report('batches without a clean-up', await quiet.stop());

        const rounds: Written[] = [];
        for (const days of completedDays) rounds.push(await cleanUpWhileWriting(days));
        expectNotHeldUp(rounds);

        const expired = tasksWhere((days) => days !== undefined);
        const left = await api.get<Record<string, Record<string, number>>>(`${base}/stats?fresh=true`);
        expect(left.body.sessions).toMatchObject({ total: amount.sessions / 2, completed: 0 });
        expect(left.body.tasks?.total).toBe(tasksEver - expired);
      },
      limitMs,
    );

    async function cleanUpWhileWriting(days: number): Promise<Written> {
      const writer = startWriter();
      const startMs = performance.now();
      const { body } = await api.post<object>(`${base}/sessions/cleanup`, { completed_days: days });
      const seconds = Math.round((performance.now() - startMs) / 100) / 10;
      const batches = await writer.stop();
      report('clean-up', { seconds, ...body, batches });
      const numbers = Array.from({ length: amount.sessions }, (_, number) => number);
      expect(body).toEqual({
        status: 'completed',
        deleted_sessions: numbers.filter((number) => completedDaysOf(number) === days).length,
        deleted_tasks: tasksWhere((completed) => completed === days),
        dry_run: false,
      });
      return batches;
    }

    /** How many of the first tasks are of sessions of which this holds. */
    function tasksWhere(holds: (completedDays: number | undefined) => boolean): number {
      let count = 0;
      for (let number = 0; number < amount.tasks; number += 1) {
        if (holds(completedDaysOf(sessionOf(number, amount)))) count += 1;
      }
      return count;
    }
  });
}
