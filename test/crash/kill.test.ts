import { describe, expect, test } from 'bun:test';
import { Api } from '../support/api.ts';
import { seededRandom } from '../support/game-session.ts';
import { Load } from '../support/load.ts';
import { isLongForm, seed } from '../support/long-form.ts';
import { Oracle } from '../support/oracle.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const rounds = isLongForm ? 200 : 3;

for (const storage of storages) {
  describe(`kill -9 on ${storage.name}`, () => {
    test(`every record that was answered 200 is in storage after a restart, with its newest accepted values: ${rounds} times`, async () => {
      const random = seededRandom(seed);
      await using database = await storage.create();
      using folder = temporaryFolder();
      const settings = {
        dataDir: folder.path,
        databaseUrl: database.url,
        // Small enough that the kill falls before, into and behind flushes and new segments.
        environment: { BUFFER_MAX_BUFFER_SIZE: '50', JOURNAL_SEGMENT_BYTES_MAX: '65536' },
      };
      const oracle = new Oracle();
      const load = new Load(oracle, { random, deletes: true });
      for (let round = 0; round < rounds; round += 1) {
        await using service = await startServiceProcess(settings);
        const api = new Api(service.url);
        await oracle.check(api);
        const killAt = oracle.acknowledged + 5 + Math.floor(random() * 60);
        load.start(api);
        await waitUntil('enough is acknowledged', () => oracle.acknowledged >= killAt);
        await service.kill('SIGKILL');
        await load.ended;
      }
      await using service = await startServiceProcess(settings);
      await oracle.check(new Api(service.url));
      expect(load.refusals).toEqual([]);
    }, 1_800_000);
  });
}
