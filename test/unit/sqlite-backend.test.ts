import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { getTableColumns } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/bun-sqlite';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import type { Query } from '../../src/storage/contract.ts';
import { orderOf, whereOf } from '../../src/storage/sql/conditions.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { translationTasks } from '../../src/storage/sqlite/schema.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

for (const field of ['created_at', 'updated_at']) {
  for (const direction of ['asc', 'desc'] as const) {
    test(`a page by ${field}, ${direction}, is found through an index, however deep it lies`, async () => {
      using folder = temporaryFolder();
      const path = join(folder.path, 'test.sqlite');
      const backend = new SqliteBackend(path);
      await backend.open();
      await backend.close();
      const columns = getTableColumns(translationTasks);
      const query: Query = {
        where: [],
        orderBy: { field, direction },
        limit: 10,
        after: { value: 1, key: 'a' },
      };
      const database = new Database(path, { readonly: true });
      const { sql, params } = drizzle({ client: database })
        .select()
        .from(translationTasks)
        .where(whereOf(columns, tasks.key, query))
        .orderBy(...orderOf(columns, tasks.key, query))
        .toSQL();
      const plan = database.query(`EXPLAIN QUERY PLAN ${sql}`).all(...(params as (string | number)[]));
      database.close();
      const index = `SEARCH translation_tasks USING INDEX idx_tasks_${field}`;
      expect(plan).toMatchObject([{ detail: `${index} (${field}${direction === 'asc' ? '>' : '<'}?)` }]);
    });
  }
}

test('a closed file is given back: its log is copied into it, and no lock comes later', async () => {
  using folder = temporaryFolder();
  const backend = new SqliteBackend(join(folder.path, 'test.sqlite'));
  await backend.open();
  expect(await backend.count(tasks, [])).toBe(0);
  expect(await backend.existing(sessions, ['a'])).toEqual(new Set());
  await backend.close();
  expect(readdirSync(folder.path)).toEqual(['test.sqlite']);
});

test('a look-up of a key does not wait for lists and counts', async () => {
  using folder = temporaryFolder();
  const backend = new SqliteBackend(join(folder.path, 'test.sqlite'));
  await backend.open();
  const counts = Promise.all(Array.from({ length: 1000 }, () => backend.count(tasks, []))).then(
    () => 'counts',
  );
  const lookup = backend.existing(sessions, ['a']).then(() => 'look-up');
  expect(await Promise.race([counts, lookup])).toBe('look-up');
  await counts;
  await backend.close();
});
