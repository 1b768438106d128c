import { expect, test } from 'bun:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { backendsOf } from '../../src/config/backends.ts';
import { loadConfig } from '../../src/config/load.ts';
import { StorageError } from '../../src/storage/contract.ts';
import { MysqlBackend } from '../../src/storage/mysql/backend.ts';
import { MysqlConnections } from '../../src/storage/mysql/connections.ts';
import type { LentConnection } from '../../src/storage/mysql/lent-connection.ts';
import { storages, type TestDatabase } from '../support/storages.ts';

/** Takes hours. */
const endless =
  'SELECT COUNT(*) FROM information_schema.collations a, information_schema.collations b, information_schema.collations c, information_schema.collations d, information_schema.collations e';

/** The server of a database, with one connection, whose statements may take 300 ms. */
function serverOf({ url }: TestDatabase) {
  const environment = {
    DATABASE_URL: url,
    DATABASE_POOL_SIZE: '1',
    DATABASE_STATEMENT_TIMEOUT_SECONDS: '0.3',
  };
  const [backend] = Object.values(backendsOf(loadConfig({ flags: {}, environment }), []));
  if (backend?.type !== 'mysql') throw new Error('Not a MySQL database');
  return backend.connection;
}

const codeOf = (error: unknown): string => (error instanceof StorageError ? error.code : String(error));

/** The order of indexes tells only when they were made. */
const withSortedLines = (text: unknown): string[] =>
  String(text)
    .split('\n')
    .map((line) => line.replace(/,$/, ''))
    .sort();

/** In which isolation a transaction runs that has read something. */
async function isolationOf(connection: LentConnection): Promise<unknown> {
  await connection.query({ sql: 'SELECT COUNT(*) FROM deleted_records LOCK IN SHARE MODE' });
  const [rows] = await connection.query<RowDataPacket[]>({
    sql: 'SELECT trx_isolation_level AS level FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()',
  });
  return rows[0]?.level;
}

for (const storage of storages.filter(({ name }) => name !== 'sqlite')) {
  test(`${storage.name} itself gives up a statement that takes too long`, async () => {
    await using database = await storage.create();
    const connections = new MysqlConnections(serverOf(database));
    try {
      const error = await connections
        .use((connection) => connection.query({ sql: endless, timeout: 10_000 }))
        .catch(codeOf);
      expect(['ER_QUERY_TIMEOUT', 'ER_STATEMENT_TIMEOUT']).toContain(String(error));
      await connections.use((connection) => connection.query({ sql: 'SELECT 1' }));
    } finally {
      await connections.close();
    }
  });

  test(`migrations of ${storage.name} that broke off between two statements go on from there`, async () => {
    await using database = await storage.create();
    const connection = await createConnection(database.url);
    const migrate = async (): Promise<void> => {
      const backend = new MysqlBackend(serverOf(database));
      await backend.open();
      await backend.close();
    };
    const tables = async (): Promise<unknown[]> => {
      const names = ['translation_sessions', 'translation_tasks', 'deleted_records'];
      const answers = names.map((name) => connection.query<RowDataPacket[]>(`SHOW CREATE TABLE ${name}`));
      return (await Promise.all(answers)).map(([[row]]) => row?.['Create Table']);
    };
    try {
      await migrate();
      const whole = (await tables()).map(withSortedLines);
      // As if the last but two had done all it does, but for one index, and nobody had noted it or a later one.
      await connection.query('DROP INDEX idx_session_status ON translation_tasks');
      await connection.query('DELETE FROM __drizzle_migrations ORDER BY id DESC LIMIT 3');
      await migrate();
      expect((await tables()).map(withSortedLines)).toEqual(whole);
    } finally {
      await connection.end();
    }
  });

  test(`a transaction on ${storage.name} sees no uncommitted rows, also after a rough count that failed before it began`, async () => {
    await using database = await storage.create();
    const backend = new MysqlBackend(serverOf(database));
    await backend.open();
    await backend.close();
    const connections = new MysqlConnections(serverOf(database));
    const other = await createConnection(database.url);
    const count = () =>
      connections.uncommitted(async (connection) => {
        await connection.query({ sql: 'SELECT COUNT(*) FROM deleted_records', timeout: 10_000 });
      });
    try {
      await connections.use((connection) => connection.query({ sql: 'SET SESSION lock_wait_timeout = 1' }));
      await other.query('LOCK TABLES deleted_records WRITE');
      expect(['ER_LOCK_WAIT_TIMEOUT', 'ER_STATEMENT_TIMEOUT', 'ER_QUERY_TIMEOUT']).toContain(
        String(await count().catch(codeOf)),
      );
      await other.query('UNLOCK TABLES');
      expect(await connections.inTransaction(isolationOf)).toBe('REPEATABLE READ');
      await count();
      expect(await connections.inTransaction(isolationOf)).toBe('REPEATABLE READ');
    } finally {
      await connections.close();
      await other.end();
    }
  });
}
