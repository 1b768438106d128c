import { describe, expect, test } from 'bun:test';
import { Api, type ErrorAnswer } from '../support/api.ts';
import { seededRandom } from '../support/game-session.ts';
import { Load } from '../support/load.ts';
import { seed } from '../support/long-form.ts';
import { Oracle } from '../support/oracle.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestStorage } from '../support/storages.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const base = '/api/v1/translation';

/** A journal of so many bytes at most, and the largest body that it takes. */
const journalOf = (bytesMax: number) => ({
  JOURNAL_BYTES_MAX: String(bytesMax),
  SERVICE_BODY_BYTES_MAX: String((bytesMax * 3) / 4),
});

test('a journal that fills up is flushed before it is full, however few records are in it', async () => {
  using folder = temporaryFolder();
  const environment = { ...journalOf(1_000_000), BUFFER_FLUSH_INTERVAL: '3600' };
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const oracle = new Oracle();
  const load = new Load(oracle, { random: seededRandom(seed), writers: 1 });
  load.start(new Api(service.url));
  // More than twice what the journal holds.
  await waitUntil('much is acknowledged', () => oracle.acknowledged > 500 || load.refusals.length > 0);
  await load.stop();
  expect(load.refusals).toEqual([]);
  await oracle.check(new Api(service.url));
}, 60_000);

for (const storage of storages.filter(({ name }) => name !== 'sqlite')) {
  describe(`an outage of ${storage.name}`, () => {
    test('fills the journal: readiness ends first, then batches get 503, and afterwards it drains and accepts by itself', async () => {
      await using scene = await behindProxy(storage, journalOf(800_000));
      const { api, proxy } = scene;
      const oracle = new Oracle();
      const load = new Load(oracle, { random: seededRandom(seed) });
      load.start(api);
      await waitUntil('something is acknowledged', () => oracle.acknowledged > 20);
      expect((await api.get('/health/ready')).status).toBe(200);
      proxy.cut();
      let notReadyAt = 0;
      await waitUntil('the journal is full', async () => {
        const { status } = await api.get('/health/ready');
        if (status === 503 && load.refusals.length === 0) notReadyAt ||= oracle.acknowledged;
        return load.refusals.length > 0;
      });
      await load.ended;
      expect(notReadyAt).toBeGreaterThan(0);
      const whole = await api.tasks<ErrorAnswer>(
        Array.from({ length: 1000 }, () => aTask('session-0', { source_text: 'long '.repeat(20) })),
      );
      expect([whole.status, whole.body.error_code]).toEqual([503, 'JOURNAL_FULL']);
      expect(whole.headers.get('retry-after')).toBe('10');
      expect((await api.get('/health')).body).toMatchObject({ flusher: { state: 'retrying' } });

      proxy.mend();
      await waitUntil('it is ready again', async () => (await api.get('/health/ready')).status === 200);
      expect(load.refusals.every((status) => status === 503)).toBe(true);
      load.refusals.length = 0;
      const before = oracle.acknowledged;
      load.start(api);
      await waitUntil('batches are accepted again', () => oracle.acknowledged > before + 20);
      await load.stop();
      expect(load.refusals).toEqual([]);
    });

    test('leaves deletions and changes of state on disk only, and they keep their order over kill -9', async () => {
      const random = seededRandom(seed);
      await using scene = await behindProxy(storage, {
        BUFFER_BYTES_MAX: '65536',
        SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '1',
      });
      let { api } = scene;
      const sessions = Array.from({ length: 12 }, (_, index) => aSession({ session_id: `session-${index}` }));
      await api.sessions(sessions);
      await api.flush();
      scene.proxy.cut();
      const filler = Array.from({ length: 200 }, () =>
        aTask('session-0', { source_text: 'a backlog that does not fit into memory '.repeat(10) }),
      );
      expect((await api.tasks(filler)).status).toBe(200);
      const expected = new Map<string, string | undefined>();
      for (let step = 0; step < 60; step += 1) {
        const id = `session-${1 + Math.floor(random() * 11)}`;
        const status = ['pending', 'processing', 'completed', 'failed', 'cancelled'][
          Math.floor(random() * 5)
        ] as 'pending';
        const chance = random();
        if (chance < 0.4) {
          expect((await api.patch(`${base}/sessions/${id}/status`, { status })).status).toBe(200);
          if (!expected.has(id) || expected.get(id) !== undefined) expected.set(id, status);
        } else if (chance < 0.6) {
          await beginDeletion(api, id);
          expected.set(id, undefined);
        } else {
          expect((await api.sessions([aSession({ session_id: id, status })])).status).toBe(200);
          expected.set(id, status);
        }
      }
      api = await scene.restart();
      expect((await api.tasks([aTask('session-0', { task_id: 'after the restart' })])).status).toBe(200);
      scene.proxy.mend();
      await waitUntil('everything is in storage', async () => (await api.flush()).status === 200);
      const stored = new Map<string, string | undefined>();
      for (const id of expected.keys()) {
        const { status, body } = await api.get<{ status: string }>(`${base}/sessions/${id}`);
        stored.set(id, status === 404 ? undefined : body.status);
      }
      expect(Object.fromEntries(stored)).toEqual(Object.fromEntries(expected));
      expect((await api.get<{ total: number }>(`${base}/tasks?page_size=1`)).body.total).toBe(
        filler.length + 1,
      );
      expect((await api.get('/health')).body).toMatchObject({ quarantine: { records: 0 } });
    });
  });
}

interface Scene extends AsyncDisposable {
  api: Api;
  proxy: TcpProxy;
  /** Kills the service and starts it again. */
  restart(): Promise<Api>;
}

/** A service whose way to its storage can be cut. */
async function behindProxy(storage: TestStorage, environment: Record<string, string>): Promise<Scene> {
  const parts = new AsyncDisposableStack();
  const database = parts.use(await storage.create());
  const folder = parts.use(temporaryFolder());
  const url = new URL(database.url);
  const proxy = parts.use(await startTcpProxy({ host: url.hostname, port: Number(url.port) }));
  url.port = String(proxy.port);
  const start = (): Promise<ServiceProcess> =>
    startServiceProcess({ dataDir: folder.path, databaseUrl: url.href, environment });
  let service = await start();
  parts.defer(() => service[Symbol.asyncDispose]());
  return {
    api: new Api(service.url),
    proxy,
    async restart() {
      await service.kill('SIGKILL');
      service = await start();
      return new Api(service.url);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Resolves when a deletion is journaled; it is done, and answered, when storage is there again. */
async function beginDeletion(api: Api, id: string): Promise<void> {
  const journalBytes = async (): Promise<number> =>
    (await api.get<{ journal: { bytes: number } }>('/health')).body.journal.bytes;
  const before = await journalBytes();
  void api.delete(`${base}/sessions/${id}`).catch(() => {});
  await waitUntil('the deletion is journaled', async () => (await journalBytes()) > before);
}
