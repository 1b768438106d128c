import { expect, test } from 'bun:test';
import type { SessionRecord } from '../../src/modules/translation/records.ts';
import { Api } from '../support/api.ts';
import { aSession } from '../support/records.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const unreachable = 'mysql://nobody@127.0.0.1:1/none';

/** Serves without a database, so that nothing accepted can be stored. */
const startUnstored = (dataDir: string, shutdownSeconds: string) =>
  startServiceProcess({
    dataDir,
    databaseUrl: unreachable,
    environment: { SERVICE_SHUTDOWN_TIMEOUT_SECONDS: shutdownSeconds },
  });

async function expectReplayed(dataDir: string, { session_id: id, filename }: SessionRecord): Promise<void> {
  await using service = await startServiceProcess({ dataDir });
  const found = await new Api(service.url).get(`/api/v1/translation/sessions/${id}?fresh=true`);
  expect(found.body).toMatchObject({ filename });
}

test('a signal stops the service with 0 within its deadline, and what storage does not take stays journaled', async () => {
  using folder = temporaryFolder();
  const session = aSession();
  {
    await using service = await startUnstored(folder.path, '0.2');
    expect((await new Api(service.url).sessions([session])).status).toBe(200);
    expect(await service.kill('SIGTERM')).toBe(0);
    expect(service.log()).toContain('the rest stays journaled');
  }
  await expectReplayed(folder.path, session);
});

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second %s ends the service at once with %i, and loses nothing', async (signal, code) => {
  using folder = temporaryFolder();
  const session = aSession();
  {
    await using service = await startUnstored(folder.path, '3600');
    expect((await new Api(service.url).sessions([session])).status).toBe(200);
    service.signal(signal);
    await waitUntil('it stops', () => service.log().includes('Stopping'));
    // One that comes right behind the first is its echo.
    await waitUntil('it ends', () => {
      service.signal(signal);
      return service.log().includes('Ending at once');
    });
    expect(await service.exited).toBe(code);
  }
  await expectReplayed(folder.path, session);
});
