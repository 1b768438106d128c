import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { type Poison, ruleAgainstTasks } from '../support/poison.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const path = '/api/v1/system/quarantine';
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/;
/** Flushes come from the tests alone. */
const environment = { BUFFER_FLUSH_INTERVAL: '3600', BUFFER_MAX_BUFFER_SIZE: '100000' };

interface Item {
  id: string;
  kind: string;
  collection: string | null;
  key: string | null;
  session_id: string | null;
  code: string;
  reason: string;
  accepted_at: string | null;
  first_accepted_at: string | null;
  quarantined_at: string | null;
  retried_at: string | null;
  record: Record<string, unknown> | null;
  payload_base64?: string | null;
}

interface Page {
  total: number;
  page: number;
  page_size: number;
  total_pages: number;
  by_code: Record<string, number>;
  items: Item[];
}

type Refused = ErrorAnswer & { id: string; code: string; reason: string };

for (const storage of storages) {
  describe(`the quarantine on ${storage.name}`, () => {
    const folder = temporaryFolder();
    let database: TestDatabase;
    let service: ServiceProcess;
    let api: Api;
    let poison: Poison;

    beforeAll(async () => {
      database = await storage.create();
      service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url, environment });
      api = new Api(service.url);
      poison = ruleAgainstTasks(database.url);
      await poison.apply();
    });

    afterAll(async () => {
      await service[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    });

    const list = async (query = '') => (await api.get<Page>(`${path}${query}`)).body;
    const files = () => readdirSync(join(folder.path, 'quarantine'));

    /** A session, and a task of it that storage refuses. */
    async function aBadTask() {
      const session = aSession();
      const task = aTask(session.session_id, { ...poison.bad, target_text: 'as accepted' });
      await api.sessions([session]);
      await api.tasks([task]);
      expect((await api.flush()).status).toBe(200);
      const [item] = (await list(`?session_id=${session.session_id}`)).items;
      if (item === undefined) throw new Error('the task is not in the quarantine');
      return { session, task, item };
    }

    const taskOf = (id: string) => api.get<Record<string, unknown>>(`/api/v1/translation/tasks/${id}`);
    const retry = (id: string, body?: unknown) => api.post<Refused>(`${path}/${id}/retry`, body);

    test('shows a record with the reason and its times; the file says the same', async () => {
      const { task, item } = await aBadTask();
      expect(item).toEqual({
        id: expect.any(String),
        kind: 'record',
        collection: 'translation_tasks',
        key: task.task_id,
        session_id: task.session_id,
        code: expect.stringMatching(/CONSTRAINT/),
        reason: expect.stringMatching(/poison/),
        first_accepted_at: expect.stringMatching(time),
        accepted_at: expect.stringMatching(time),
        quarantined_at: expect.stringMatching(time),
        retried_at: null,
        record: { ...task },
      });
      expect((await api.get<Item>(`${path}/${item.id}`)).body).toEqual({ ...item, payload_base64: null });
      const file = readFileSync(join(folder.path, 'quarantine', `${item.id}.json`), 'utf8');
      expect(JSON.parse(file)).toMatchObject({ key: task.task_id, code: item.code, record: task });
    });

    test('a retry that is refused again is a 422 with the new reason, and the entry stays as it was accepted', async () => {
      const { task, item } = await aBadTask();
      const { status, body } = await retry(item.id);
      expect({ status, body }).toMatchObject({
        status: 422,
        body: {
          error_code: 'QUARANTINE_REFUSED',
          id: item.id,
          code: item.code,
          reason: expect.stringMatching(/poison/),
        },
      });
      const after = (await api.get<Item>(`${path}/${item.id}`)).body;
      expect(after).toEqual({
        ...item,
        reason: body.reason,
        retried_at: expect.stringMatching(time),
        payload_base64: null,
      });
      expect((await taskOf(task.task_id)).status).toBe(404);
    });

    test('an edited record is validated by its schema, stored, and leaves the quarantine; the edit is all that changes', async () => {
      const { task, item } = await aBadTask();
      const edit = (record: unknown) => retry(item.id, { record });
      const wrong: [record: Record<string, unknown>, field: string][] = [
        [{ confidence: 7 }, 'record.confidence'],
        [{ status: 'paused' }, 'record.status'],
        [{ source_text: null }, 'record.source_text'],
        [{ batch_id: 'x'.repeat(65) }, 'record.batch_id'],
        [{ task_id: 'another' }, 'record.task_id'],
      ];
      for (const [record, field] of wrong) {
        const { status, body } = await edit(record);
        expect([status, body.error_code, body.errors?.map((error) => error.field)]).toEqual([
          422,
          'VALIDATION_FAILED',
          [field],
        ]);
      }
      expect((await retry(item.id, { batch_id: 'good' })).body.errors).toMatchObject([{ field: 'batch_id' }]);
      expect((await edit({ batch_id: 'poison', target_text: 'not kept' })).status).toBe(422);
      const kept = (await api.get<Item>(`${path}/${item.id}`)).body;
      expect(kept.record).toEqual({ ...task });

      expect(await edit({ batch_id: 'good', context: 'edited', unknown: 1 })).toMatchObject({
        status: 200,
        body: { status: 'stored', id: item.id },
      });
      expect((await taskOf(task.task_id)).body).toMatchObject({
        ...task,
        batch_id: 'good',
        context: 'edited',
      });
      expect((await taskOf(task.task_id)).body).toMatchObject({
        created_at: item.first_accepted_at,
        updated_at: item.accepted_at,
      });
      expect((await retry(item.id)).status).toBe(404);
      expect(files()).not.toContain(`${item.id}.json`);
    });

    test('a retry never overwrites what was accepted later', async () => {
      const { task, item } = await aBadTask();
      const newer = { ...task, batch_id: 'good', target_text: 'newer' };
      await api.tasks([newer]);
      await api.flush();
      const stored = (await taskOf(task.task_id)).body;
      expect((await retry(item.id, { record: { batch_id: 'older' } })).status).toBe(200);
      // Only that it was accepted earlier than storage knew is new.
      expect((await taskOf(task.task_id)).body).toEqual({ ...stored, created_at: item.first_accepted_at });
      expect(stored).toMatchObject(newer);
    });

    test('a retry does not bring back what was deleted', async () => {
      const { session, task, item } = await aBadTask();
      expect((await api.delete(`/api/v1/translation/sessions/${session.session_id}`)).status).toBe(200);
      expect((await retry(item.id, { record: { batch_id: 'good' } })).status).toBe(200);
      expect((await taskOf(task.task_id)).status).toBe(404);
      expect((await list(`?session_id=${session.session_id}`)).total).toBe(0);
    });

    test('what is discarded is gone, and only that', async () => {
      const [first, second] = [await aBadTask(), await aBadTask()];
      expect(await api.delete(`${path}/${first.item.id}`)).toMatchObject({
        status: 200,
        body: { status: 'discarded', id: first.item.id },
      });
      expect((await api.delete<ErrorAnswer>(`${path}/${first.item.id}`)).body).toMatchObject({
        error_code: 'NOT_FOUND',
      });
      expect(files()).not.toContain(`${first.item.id}.json`);
      expect(files()).toContain(`${second.item.id}.json`);
      expect((await retry(first.item.id)).status).toBe(404);
    });

    test('filters choose what is listed, retried and discarded; discarding everything must be confirmed', async () => {
      const [first, second] = [await aBadTask(), await aBadTask()];
      const ofFirst = `?session_id=${first.session.session_id}`;
      const { total } = await list();
      expect(
        (await list(`${ofFirst}&collection=translation_tasks&code=constraint&reason=POISON`)).total,
      ).toBe(1);
      for (const other of ['collection=translation_sessions', 'code=nothing', 'reason=nothing']) {
        expect((await list(`${ofFirst}&${other}`)).total).toBe(0);
      }
      const retried = await api.post(`${path}/retry${ofFirst}`);
      expect(retried.body).toEqual({ status: 'completed', retried: 1, stored: 0, still_refused: 1 });
      expect((await api.delete(`${path}${ofFirst}`)).body).toEqual({ status: 'discarded', discarded: 1 });
      expect((await list(ofFirst)).total).toBe(0);
      expect((await list(`?session_id=${second.session.session_id}`)).total).toBe(1);

      for (const refused of [
        '',
        '?confirm=false',
        '?code=',
        '?sesion_id=x&confirm=true',
        '?code=x&confirm=yes',
      ]) {
        expect([refused, (await api.delete(`${path}${refused}`)).status]).toEqual([refused, 422]);
      }
      expect((await list()).total).toBe(total - 1);
      expect((await api.delete(`${path}?confirm=true`)).body).toEqual({
        status: 'discarded',
        discarded: total - 1,
      });
      expect(files()).toEqual([]);
    });

    test('pages hold every entry once, the newest first, with the totals of all that match', async () => {
      await api.delete(`${path}?confirm=true`);
      const session = aSession();
      await api.sessions([session]);
      const keys: string[] = [];
      for (let count = 0; count < 5; count += 1) {
        const task = aTask(session.session_id, poison.bad);
        keys.unshift(task.task_id);
        await api.tasks([task]);
        await api.flush();
      }
      const pages = [
        await list('?page_size=2'),
        await list('?page=2&page_size=2'),
        await list('?page=3&page_size=2'),
      ];
      for (const page of pages) {
        expect(page).toMatchObject({ total: 5, page_size: 2, total_pages: 3 });
        expect(Object.values(page.by_code)).toEqual([5]);
      }
      expect(pages.flatMap(({ items }) => items.map(({ key }) => key ?? ''))).toEqual(keys);
      expect((await list('?page=4&page_size=2')).items).toEqual([]);
      expect((await api.get(`${path}?page=0`)).status).toBe(422);
    });

    test('metrics count what is there, by collection and code, and what has come and gone; the log says who', async () => {
      await api.delete(`${path}?confirm=true`);
      const [stored, discarded, left] = [await aBadTask(), await aBadTask(), await aBadTask()];
      const before = await metrics();
      await retry(stored.item.id, { record: { batch_id: 'good' } });
      await api.delete(`${path}/${discarded.item.id}`);
      await retry(left.item.id);
      await aBadTask();
      const after = await metrics();
      const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
      expect(
        after.get(`persistence_quarantine_records{collection="translation_tasks",code="${left.item.code}"}`),
      ).toBe(2);
      expect(grown('persistence_quarantine_added_total')).toBe(1);
      expect(grown('persistence_quarantine_retried_total{outcome="stored"}')).toBe(1);
      expect(grown('persistence_quarantine_retried_total{outcome="refused"}')).toBe(1);
      expect(grown('persistence_quarantine_discarded_total')).toBe(1);
      const logOf = (id: string) =>
        service
          .log()
          .split('\n')
          .filter((line) => line.includes(id))
          .join('\n');
      expect(logOf(stored.item.id)).toContain('was retried and is stored');
      expect(logOf(discarded.item.id)).toContain('was discarded');
      expect(logOf(left.item.id)).toContain('is refused again');
    });

    async function metrics(): Promise<Map<string, number>> {
      const text = await (await fetch(`${service.url}/metrics`)).text();
      return new Map(
        text.split('\n').flatMap((line) => {
          const [, name, value] = /^(persistence_quarantine\S+) (\d+)$/.exec(line) ?? [];
          return name === undefined ? [] : [[name, Number(value)] as const];
        }),
      );
    }
  });
}

/** A file as an operator finds it. */
const fileOf = (task: ReturnType<typeof aTask>) => ({
  collection: 'translation_tasks',
  key: task.task_id,
  parent: task.session_id,
  code: 'X',
  reason: 'because',
  version: 1_795_391_721_255_001,
  first_version: 1_795_391_721_000_000,
  quarantined_at: '2025-09-30T10:00:00Z',
  record: task,
});

test('while storage cannot be reached a retry is a 503, and everything stays', async () => {
  using folder = temporaryFolder();
  const quarantine = join(folder.path, 'quarantine');
  mkdirSync(quarantine);
  writeFileSync(join(quarantine, 'a.json'), JSON.stringify(fileOf(aTask('s'))));
  await using service = await startServiceProcess({
    dataDir: folder.path,
    databaseUrl: 'mysql://nobody@127.0.0.1:1/none',
    environment: { SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '0' },
  });
  const api = new Api(service.url);
  for (const retried of [`${path}/a/retry`, `${path}/retry`]) {
    const { status, headers, body } = await api.post<ErrorAnswer>(retried);
    expect([status, body.error_code, headers.has('retry-after')]).toEqual([503, 'STORAGE_UNAVAILABLE', true]);
  }
  expect((await api.post(`${path}/retry`)).body).toMatchObject({ retried: 0, stored: 0, still_refused: 0 });
  expect((await api.get<Page>(path)).body.items).toMatchObject([
    { id: 'a', code: 'X', reason: 'because', retried_at: null },
  ]);
  expect(readdirSync(quarantine)).toEqual(['a.json']);
});

test('frames and damaged files are shown and can be discarded, never retried; a file that a person has edited is checked', async () => {
  using folder = temporaryFolder();
  const quarantine = join(folder.path, 'quarantine');
  mkdirSync(quarantine);
  const write = (name: string, content: unknown): void =>
    writeFileSync(join(quarantine, name), typeof content === 'string' ? content : JSON.stringify(content));
  const frame = {
    type: 'tomorrow',
    code: 'UNREADABLE_FRAME',
    reason: 'r',
    version: 1,
    quarantined_at: '2025-01-01',
    payload_base64: 'AAEC',
  };
  write('frame.json', frame);
  write('damaged.json', '{"collection":');
  write('edited.json', fileOf(aTask('s', { row_index: -1 })));
  write('unknown.json', { ...fileOf(aTask('s')), collection: 'things' });
  await using service = await startServiceProcess({ dataDir: folder.path });
  const api = new Api(service.url);
  expect((await api.get<Page>(path)).body).toMatchObject({
    total: 4,
    by_code: { UNREADABLE_FRAME: 1, DAMAGED_FILE: 1, X: 2 },
    items: expect.arrayContaining([
      expect.objectContaining({
        id: 'frame',
        kind: 'frame',
        collection: 'tomorrow',
        key: null,
        record: null,
      }),
      expect.objectContaining({
        id: 'damaged',
        kind: 'damaged file',
        collection: null,
        quarantined_at: null,
      }),
    ]),
  });
  expect((await api.get(`${path}/frame`)).body).toMatchObject({ payload_base64: 'AAEC' });
  for (const id of ['frame', 'damaged', 'unknown']) {
    const { status, body } = await api.post<Refused>(`${path}/${id}/retry`);
    expect([status, body.error_code]).toEqual([422, 'QUARANTINE_REFUSED']);
  }
  const edited = await api.post<ErrorAnswer>(`${path}/edited/retry`);
  expect(edited.body.errors).toMatchObject([{ field: 'record.row_index' }]);
  expect((await api.post(`${path}/retry`)).body).toMatchObject({ retried: 1, stored: 0, still_refused: 1 });
  expect(service.log()).toContain('A file of the quarantine cannot be read');
  for (const id of ['frame', 'damaged']) expect((await api.delete(`${path}/${id}`)).status).toBe(200);
  expect(readdirSync(quarantine).toSorted()).toEqual(['edited.json', 'unknown.json']);
});

test('retries go in the order of writing: sessions before their tasks, the oldest first', async () => {
  using folder = temporaryFolder();
  const quarantine = join(folder.path, 'quarantine');
  mkdirSync(quarantine);
  const session = aSession();
  const task = aTask(session.session_id);
  const write = (name: string, content: unknown) =>
    writeFileSync(join(quarantine, name), JSON.stringify(content));
  write('a.json', {
    ...fileOf(task),
    version: 2,
    first_version: 2,
    record: { task_id: task.task_id, session_id: session.session_id, status: 'completed' },
  });
  write('b.json', { ...fileOf(task), version: 1, first_version: 1 });
  write('c.json', {
    ...fileOf(task),
    collection: 'translation_sessions',
    key: session.session_id,
    parent: null,
    version: 3,
    first_version: 3,
    record: session,
  });
  await using service = await startServiceProcess({ dataDir: folder.path });
  const api = new Api(service.url);
  expect((await api.post(`${path}/retry?session_id=${session.session_id}`)).body).toMatchObject({
    retried: 3,
    stored: 3,
  });
  const stored = await api.get(`/api/v1/translation/tasks/${task.task_id}`);
  expect(stored.body).toMatchObject({ ...task, status: 'completed' });
});

test('a full quarantine pauses flushing and says so; discarding makes room, and nothing accepted is lost', async () => {
  await using database = await (storages[0] as (typeof storages)[number]).create();
  using folder = temporaryFolder();
  await using service = await startServiceProcess({
    dataDir: folder.path,
    databaseUrl: database.url,
    environment: { ...environment, QUARANTINE_RECORDS_MAX: '2', BUFFER_FLUSH_TIMEOUT_SECONDS: '2' },
  });
  const api = new Api(service.url);
  const poison = ruleAgainstTasks(database.url);
  await poison.apply();
  const session = aSession();
  const good = aTask(session.session_id, { task_id: 'zzz' });
  await api.sessions([session]);
  await api.tasks([...Array.from({ length: 3 }, () => aTask(session.session_id, poison.bad)), good]);
  expect((await api.flush<ErrorAnswer>()).body.error_code).toBe('STORAGE_UNAVAILABLE');
  expect((await api.get('/health')).body).toMatchObject({
    flusher: { state: 'paused', last_error: 'QUARANTINE_FULL' },
    quarantine: { records: 2 },
  });
  const [item] = (await api.get<Page>(path)).body.items;
  expect((await api.delete(`${path}/${item?.id}`)).status).toBe(200);
  expect((await api.flush()).status).toBe(200);
  expect((await api.get('/health')).body).toMatchObject({
    flusher: { state: 'idle' },
    quarantine: { records: 2 },
  });
  expect((await api.get(`/api/v1/translation/tasks/${good.task_id}`)).status).toBe(200);
});
