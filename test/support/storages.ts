import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { startMariadb } from './mariadb.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** An empty database for one test; `await using` removes it at the end. */
export interface TestDatabase extends AsyncDisposable {
  /** As DATABASE_URL takes it. */
  url: string;
}

/** A kind of storage that the tests run on. */
export interface TestStorage {
  name: string;
  create(): Promise<TestDatabase>;
}

/** Every storage that can run here. What is left out is said loudly, and fails the run where CI is set. */
export const storages: readonly TestStorage[] = await availableStorages();

async function availableStorages(): Promise<TestStorage[]> {
  const available: TestStorage[] = [{ name: 'sqlite', create: sqliteDatabase }];
  const mariadbUrl = await mariadbServer(process.env.TEST_MARIADB_URL);
  if (mariadbUrl !== undefined) available.push(onServer('MariaDB', mariadbUrl));
  const mysqlUrl = process.env.TEST_MYSQL9_URL;
  if (mysqlUrl !== undefined && mysqlUrl !== '') available.push(onServer('MySQL 9', mysqlUrl));
  return available;
}

async function mariadbServer(given: string | undefined): Promise<string | undefined> {
  if (given !== undefined && given !== '') return given;
  try {
    const { url } = await startMariadb();
    // Test files that come later use the same server.
    process.env.TEST_MARIADB_URL = url;
    return url;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `ALL TESTS ON MARIADB ARE LEFT OUT: ${reason}. Set TEST_MARIADB_URL to a server, or install it.`;
    if (process.env.CI === 'true') throw new Error(message);
    console.error(`\n*** ${message}\n`);
    return undefined;
  }
}

async function sqliteDatabase(): Promise<TestDatabase> {
  const folder = temporaryFolder();
  return {
    url: `sqlite:${join(folder.path, 'test.sqlite')}`,
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

/** Databases of their own on a server. */
export function onServer(name: string, serverUrl: string): TestStorage {
  return {
    name,
    async create() {
      const database = `test_${crypto.randomUUID().replaceAll('-', '')}`;
      await onConnection(serverUrl, `CREATE DATABASE ${database}`);
      const url = new URL(serverUrl);
      url.pathname = `/${database}`;
      return {
        url: url.href,
        [Symbol.asyncDispose]: () => onConnection(serverUrl, `DROP DATABASE ${database}`),
      };
    },
  };
}

async function onConnection(serverUrl: string, statement: string): Promise<void> {
  const connection = await createConnection(serverUrl);
  await connection.query(statement);
  await connection.end();
}
