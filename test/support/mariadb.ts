import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { programOf, run } from './debian-package.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { waitUntil } from './wait-until.ts';

/**
 * Starts a throw-away MariaDB on a free port with a data folder of its own, installing Debian's package when it
 * is missing and we are root. It ends with this process.
 * @returns `mysql://user@host:port` of a user who may create databases.
 * @throws an Error that says why it cannot be started.
 */
export async function startMariadb(): Promise<string> {
  const program = await programOf('mariadb-server', 'mariadbd');
  const folder = temporaryFolder();
  const data = join(folder.path, 'data');
  mkdirSync(data);
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  await run([
    'mariadb-install-db',
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    ...user,
  ]);
  const port = freePort();
  const server = Bun.spawn(
    [
      ...['sh', '-c', endsWithStandardInput, folder.path],
      program,
      '--no-defaults',
      ...user,
      `--datadir=${data}`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--socket=${join(folder.path, 'socket')}`,
      `--pid-file=${join(folder.path, 'pid')}`,
      '--innodb-flush-log-at-trx-commit=2',
    ],
    { stdin: 'pipe', stdout: 'ignore', stderr: Bun.file(join(folder.path, 'log')) },
  );
  // The shell stays while the tests run, and must not keep them running.
  server.unref();
  const url = `mysql://root@127.0.0.1:${port}`;
  await waitUntil('MariaDB answers', async () => {
    if (server.exitCode !== null) {
      throw new Error(`MariaDB did not start:\n${await Bun.file(join(folder.path, 'log')).text()}`);
    }
    return await answers(url);
  });
  return url;
}

/**
 * Runs the server until standard input ends, which it does with this process, however that ends: the test runner
 * tells nobody when it exits. `$0` is the folder to delete.
 */
const endsWithStandardInput = '"$@" & pid=$!; cat >/dev/null; kill -9 $pid; wait; rm -rf "$0"';

async function answers(url: string): Promise<boolean> {
  try {
    const connection = await createConnection(url);
    await connection.end();
    return true;
  } catch {
    return false;
  }
}
