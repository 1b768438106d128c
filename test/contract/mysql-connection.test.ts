import { expect, test } from 'bun:test';
import { createConnection } from 'mysql2/promise';
import { sessionSettings } from '../../src/storage/mysql/connections.ts';
import { storages } from '../support/storages.ts';

/** Takes hours. */
const endless =
  'SELECT COUNT(*) FROM information_schema.collations a, information_schema.collations b, information_schema.collations c, information_schema.collations d, information_schema.collations e';

for (const storage of storages.filter(({ name }) => name !== 'sqlite')) {
  test(`${storage.name} itself gives up a statement that takes too long`, async () => {
    await using database = await storage.create();
    const connection = await createConnection(database.url);
    try {
      await connection.query(sessionSettings(200));
      const error = await connection.query(endless).catch((thrown: { errno: number }) => thrown);
      // ER_QUERY_TIMEOUT of MySQL, ER_STATEMENT_TIMEOUT of MariaDB: both are tried again.
      expect([3024, 1969]).toContain((error as { errno: number }).errno);
      await connection.query('SELECT 1');
    } finally {
      connection.destroy();
    }
  });
}
