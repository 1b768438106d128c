import { describe, expect, test } from 'bun:test';
import { Api } from '../support/api.ts';
import { seededRandom } from '../support/game-session.ts';
import { aSession, aTask } from '../support/records.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages, type TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const rounds = 4;
const writers = 4;
const tasksPerWriter = 200;
const batchSize = 50;

/** What one writer knows of each of its tasks: the newest text it sent, and the newest that was answered 200. */
interface Ledger {
  sent: Map<string, number>;
  acknowledged: Map<string, number>;
}

for (const storage of storages) {
  describe(`kill -9 on ${storage.name}`, () => {
    test('every record that was answered 200 is in storage after a restart, with its newest accepted values', async () => {
      const random = seededRandom(42);
      await using database = await storage.create();
      using folder = temporaryFolder();
      const session = aSession();
      const ledger: Ledger = { sent: new Map(), acknowledged: new Map() };
      let counter = 0;
      for (let round = 0; round < rounds; round += 1) {
        const service = await start(folder.path, database);
        expect((await new Api(service.url).sessions([session])).status).toBe(200);
        const killAfter = 5 + Math.floor(random() * 60);
        counter = await writeUntilKilled(service, session.session_id, ledger, counter, killAfter);
      }

      await using service = await start(folder.path, database);
      const api = new Api(service.url);
      expect((await api.flush()).body.status).toBe('flushed');
      expect(ledger.acknowledged.size).toBeGreaterThan(0);
      for (const [id, acknowledged] of ledger.acknowledged) {
        const { body } = await api.get<{ target_text: string; retry_count: number }>(
          `/api/v1/translation/tasks/${id}`,
        );
        expect(body.retry_count).toBeGreaterThanOrEqual(acknowledged);
        expect(body.retry_count).toBeLessThanOrEqual(ledger.sent.get(id) ?? -1);
        expect(body.target_text).toBe(`翻译 ${body.retry_count}`);
      }
      expect((await api.tasks([aTask(session.session_id)])).status).toBe(200);
    }, 120_000);
  });
}

function start(dataDir: string, database: TestDatabase): Promise<ServiceProcess> {
  return startServiceProcess({
    dataDir,
    databaseUrl: database.url,
    // Small enough that the kill falls before, into and behind flushes and new segments.
    environment: { BUFFER_MAX_BUFFER_SIZE: '150', JOURNAL_SEGMENT_BYTES_MAX: '65536' },
  });
}

/** Writers update their tasks over and over; the process is killed when so many batches were acknowledged. */
async function writeUntilKilled(
  service: ServiceProcess,
  sessionId: string,
  ledger: Ledger,
  firstCounter: number,
  killAfter: number,
): Promise<number> {
  const api = new Api(service.url);
  let counter = firstCounter;
  let acknowledgedBatches = 0;
  let ended = false;
  const write = async (writer: number): Promise<void> => {
    for (let batch = 0; !ended; batch += 1) {
      counter += 1;
      const value = counter;
      const ids = Array.from(
        { length: batchSize },
        (_, index) => `w${writer}-${(batch * batchSize + index) % tasksPerWriter}`,
      );
      for (const id of ids) ledger.sent.set(id, value);
      const tasks = ids.map((id) =>
        aTask(sessionId, { task_id: id, retry_count: value, target_text: `翻译 ${value}` }),
      );
      const status = await api.tasks(tasks).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status !== 200) return;
      for (const id of ids) ledger.acknowledged.set(id, value);
      acknowledgedBatches += 1;
      if (acknowledgedBatches === killAfter) {
        ended = true;
        await service.kill('SIGKILL');
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return counter;
}
