import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { Api } from '../support/api.ts';
import { isLongForm } from '../support/long-form.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const records = isLongForm ? 2_000_000 : 20_000;
const batchSize = 500;
const connections = 8;
const peakBytesMax = 512 * 1024 * 1024;
const base = '/api/v1/translation';

interface Health {
  status: string;
  flusher: { state: string; last_error_class?: string };
  quarantine: { records: number };
}

for (const storage of storages.filter(({ name }) => name !== 'sqlite')) {
  describe(`an outage of ${storage.name} while ${records} records are accepted`, () => {
    test('batches are answered, memory stays bounded, a restart serves, and everything lands afterwards', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const url = new URL(database.url);
      await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
      url.port = String(proxy.port);
      const settings = {
        dataDir: folder.path,
        databaseUrl: url.href,
        environment: {
          BUFFER_FLUSH_TIMEOUT_SECONDS: '1',
          ...(isLongForm ? {} : { BUFFER_BYTES_MAX: '500000', JOURNAL_SEGMENT_BYTES_MAX: '1000000' }),
        },
      };
      const session = aSession();
      {
        await using service = await startServiceProcess(settings);
        const api = new Api(service.url);
        await api.sessions([session]);
        await api.flush();
        proxy.cut();
        await acceptAll(api, session.session_id);
        expect((await api.flush()).status).toBe(503);
        const health = await api.get<Health>('/health');
        expect(health.body).toMatchObject({ flusher: { state: 'retrying', last_error_class: 'retry' } });
        report('accepting', service.pid);
        await service.kill('SIGKILL');
      }
      const startedMs = performance.now();
      await using service = await startServiceProcess(settings);
      const api = new Api(service.url);
      expect((await api.tasks([aTask(session.session_id, { task_id: 'after-restart' })])).status).toBe(200);
      const secondsToServe = (performance.now() - startedMs) / 1000;
      console.log(`restart at full backlog: serves after ${secondsToServe.toFixed(1)} s`);
      expect(secondsToServe).toBeLessThan(30);
      proxy.mend();
      await waitUntil('everything is in storage', async () => (await api.flush()).status === 200, 3_600_000);
      const { body } = await api.get<{ total: number }>(`${base}/tasks?page_size=1`);
      expect(body.total).toBe(records + 1);
      for (const row of [0, Math.floor(records / 2), records - 1]) {
        expect((await api.get(`${base}/tasks/task-${row}`)).body).toMatchObject({ row_index: row });
      }
      expect((await api.get<Health>('/health')).body.quarantine.records).toBe(0);
      report('draining', service.pid);
    }, 7_200_000);
  });
}

async function acceptAll(api: Api, sessionId: string): Promise<void> {
  let next = 0;
  const write = async (): Promise<void> => {
    while (next < records) {
      const first = next;
      next += batchSize;
      const batch = Array.from({ length: Math.min(batchSize, records - first) }, (_, index) =>
        aTask(sessionId, {
          task_id: `task-${first + index}`,
          row_index: first + index,
          target_text: '你好，冒险者！',
        }),
      );
      expect((await api.tasks(batch)).status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: connections }, write));
}

/** The process's peak of memory so far, which the kernel keeps. */
function report(what: string, pid: number): void {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const peakBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  console.log(`peak memory while ${what}: ${Math.round(peakBytes / 1024 / 1024)} MiB`);
  expect(peakBytes).toBeLessThan(peakBytesMax);
}
