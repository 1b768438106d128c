import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { programOf, run } from './debian-package.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { waitUntil } from './wait-until.ts';

/** A server of a test's own, with which it may do what it likes. */
export interface Mariadb {
  /** `mysql://user@host:port` of a user who may do everything. */
  url: string;
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again with its data, after it was killed. */
  restart(): Promise<void>;
}

/**
 * Starts a throw-away MariaDB on a free port with a data folder of its own, installing Debian's package when it
 * is missing and we are root. It ends with this process.
 * @throws an Error that says why it cannot be started.
 */
export async function startMariadb(): Promise<Mariadb> {
  const program = await programOf('mariadb-server', 'mariadbd');
  const folder = temporaryFolder().path;
  const data = join(folder, 'data');
  const pidFile = join(folder, 'pid');
  mkdirSync(data);
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  await run([
    'mariadb-install-db',
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    // In a database whose name begins with "test" everybody may do everything.
    '--skip-test-db',
    ...user,
  ]);
  const port = freePort();
  const url = `mysql://root@127.0.0.1:${port}`;
  const command = [
    program,
    '--no-defaults',
    ...user,
    `--datadir=${data}`,
    '--bind-address=127.0.0.1',
    `--port=${port}`,
    `--socket=${join(folder, 'socket')}`,
    `--pid-file=${pidFile}`,
    // A server that starts deletes the temporary tables that it finds, which may be those of another.
    `--tmpdir=${folder}`,
    '--innodb-flush-log-at-trx-commit=2',
  ];
  const start = (): Promise<void> => serve(command, folder, url);
  await start();
  return {
    url,
    signal: (name) => process.kill(Number(readFileSync(pidFile, 'utf8')), name),
    restart: start,
  };
}

async function serve(command: readonly string[], folder: string, url: string): Promise<void> {
  const log = join(folder, 'log');
  const server = Bun.spawn(['sh', '-c', endsWithStandardInput, folder, ...command], {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: Bun.file(log),
  });
  // The shell stays while the tests run, and must not keep them running.
  server.unref();
  await waitUntil('MariaDB answers', async () => {
    if (server.exitCode !== null) throw new Error(`MariaDB did not start:\n${await Bun.file(log).text()}`);
    return await answers(url);
  });
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
