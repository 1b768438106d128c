import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Api } from '../support/api.ts';
import { freePort } from '../support/free-port.ts';
import { aSession } from '../support/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const main = join(import.meta.dir, '../../src/main.ts');

test('a log that nobody reads any more stops nothing: requests are answered, and a stop flushes and ends with 0', async () => {
  using folder = temporaryFolder();
  const port = freePort();
  // The reader goes away after the first line; what the service writes then meets a closed pipe.
  const pipe = '"$@" | head -n 1 >/dev/null; exit "$PIPESTATUS"';
  const shell = Bun.spawn(['bash', '-c', pipe, 'bash', process.execPath, main, 'serve'], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port), DATA_DIR: folder.path },
    stdout: 'ignore',
    stderr: 'pipe',
  });
  const url = `http://127.0.0.1:${port}`;
  await waitUntil('the service answers', () =>
    fetch(url).then(
      () => true,
      () => false,
    ),
  );
  const api = new Api(url);
  const session = aSession();
  // Each refused request is a line in the log.
  for (let count = 0; count < 20; count += 1) expect((await api.get('/nowhere')).status).toBe(404);
  expect((await api.sessions([session])).status).toBe(200);
  process.kill(Number(readFileSync(join(folder.path, 'lock'), 'utf8')), 'SIGTERM');
  const errors = await new Response(shell.stderr).text();
  expect({ exitCode: await shell.exited, errors }).toEqual({ exitCode: 0, errors: '' });
});
