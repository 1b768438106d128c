import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Api } from '../support/api.ts';
import { aSession, aTask } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const base = '/api/v1/translation';

for (const storage of storages) {
  describe(`two instances on one ${storage.name} database`, () => {
    test.each(['hard', 'soft'])(
      'a session that one of them deletes (%s) does not come back from what the other still has of it',
      async (mode) => {
        await using database = await storage.create();
        using folder = temporaryFolder();
        const start = (name: string) =>
          startServiceProcess({
            dataDir: join(folder.path, name),
            databaseUrl: database.url,
            // Flushes come from the test alone.
            environment: { BUFFER_FLUSH_INTERVAL: '3600' },
          });
        await using one = await start('one');
        await using two = await start('two');
        const [here, there] = [new Api(one.url), new Api(two.url)];
        const session = aSession({ total_tasks: 9, metadata: { a: 1 } });
        const path = `${base}/sessions/${session.session_id}`;
        const [stored, ...late] = [0, 1, 2].map((row) => aTask(session.session_id, { row_index: row }));
        await here.sessions([session]);
        await here.tasks([stored]);
        await here.flush();

        await there.sessions([{ ...session, completed_tasks: 5 }]);
        expect((await there.tasks([{ ...stored, target_text: 'late' }, ...late])).status).toBe(200);
        expect(await here.delete(`${path}?mode=${mode}`)).toMatchObject({
          status: 200,
          body: { deleted_tasks: 1 },
        });
        expect((await there.flush()).status).toBe(200);
        expect((await there.get(path)).status).toBe(404);
        expect((await there.get<{ total: number }>(`${base}/tasks`)).body.total).toBe(0);
        // Nothing is wrong with what was left out: it is not in the quarantine.
        const { body: health } = await there.get<{ quarantine: { records: number } }>('/health');
        expect(health.quarantine.records).toBe(0);

        const { metadata: _, ...again } = session;
        await there.sessions([{ ...again, total_tasks: 2 }]);
        await there.tasks(late);
        await there.flush();
        expect((await here.get(path)).body).toMatchObject({
          total_tasks: 2,
          completed_tasks: 0,
          metadata: null,
        });
        expect((await here.get<{ total: number }>(`${path}/tasks`)).body.total).toBe(2);
      },
    );
  });
}
