import { describe, expect, test } from 'bun:test';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { Api } from '../support/api.ts';
import { aSession } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

for (const storage of storages.filter(({ name }) => name !== 'sqlite')) {
  describe(`a database that is dropped on ${storage.name}`, () => {
    test('pauses flushing without losing or quarantining anything, and once it is made again, empty, all lands', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const environment = { BUFFER_FLUSH_TIMEOUT_SECONDS: '3' };
      await using service = await startServiceProcess({
        dataDir: folder.path,
        databaseUrl: database.url,
        environment,
      });
      const api = new Api(service.url);
      const url = new URL(database.url);
      const name = url.pathname.slice(1);
      url.pathname = '/';
      const connection = await createConnection(url.href);
      await connection.query(`DROP DATABASE ${name}`);
      const session = aSession();
      expect((await api.sessions([session])).status).toBe(200);
      expect((await api.flush()).status).toBe(503);
      expect((await api.get('/health')).body).toMatchObject({
        flusher: { state: 'paused' },
        quarantine: { records: 0 },
      });

      await connection.query(`CREATE DATABASE ${name}`);
      await connection.end();
      expect((await api.flush()).status).toBe(200);
      expect((await api.get(`/api/v1/translation/sessions/${session.session_id}`)).body).toMatchObject(
        session,
      );
      expect((await api.get('/health')).body).toMatchObject({
        status: 'healthy',
        quarantine: { records: 0 },
      });
    });
  });
}

test('an embedded database whose file is removed is begun anew: what is accepted then can be read from its file', async () => {
  using folder = temporaryFolder();
  const settings = { dataDir: folder.path };
  const [before, after] = [aSession(), aSession()];
  const pathOf = ({ session_id }: { session_id: string }) => `/api/v1/translation/sessions/${session_id}`;
  {
    await using service = await startServiceProcess(settings);
    const api = new Api(service.url);
    await api.sessions([before]);
    await api.flush();
    for (const name of readdirSync(folder.path)) {
      if (name.includes('.sqlite')) rmSync(join(folder.path, name));
    }
    await api.sessions([after]);
    expect((await api.flush()).status).toBe(200);
    expect((await api.get(pathOf(after))).status).toBe(200);
    expect((await api.get(pathOf(before))).status).toBe(404);
    await service.kill('SIGTERM');
  }
  await using service = await startServiceProcess(settings);
  const api = new Api(service.url);
  expect((await api.get(pathOf(after))).status).toBe(200);
  expect((await api.get(pathOf(before))).status).toBe(404);
});
