import { Database } from 'bun:sqlite';
import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { SqliteStore } from '../../src/storage/sqlite/store.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const page = 'ORDER BY created_at DESC, task_id DESC LIMIT 21';

test('lists are read by the index that leads to the fewest rows, in its order, also in an empty database', () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'test.sqlite');
  new SqliteStore(path, 'writer').close();
  const reader = new Database(path, { readonly: true });
  const indexOf = (where: string): string => {
    const sql = `EXPLAIN QUERY PLAN SELECT task_id FROM translation_tasks WHERE ${where} ${page}`;
    const steps = reader.query<{ detail: string }, []>(sql).all();
    expect(steps).toHaveLength(1);
    return /INDEX (\w+)/.exec(steps[0]?.detail ?? '')?.[1] ?? 'none';
  };
  expect(indexOf("session_id = 'a' AND sheet_name = 'b'")).toBe('idx_tasks_session_sheet_name');
  expect(indexOf("session_id = 'a' AND batch_id = 'b'")).toBe('idx_tasks_session_batch_id');
  expect(indexOf("session_id = 'a'")).toBe('idx_tasks_session_created_at');
  expect(indexOf("session_id = 'a' AND status = 'b'")).toBe('idx_tasks_session_status');
  expect(indexOf("status = 'a'")).toBe('idx_tasks_status');
  expect(indexOf("sheet_name = 'a' AND status = 'b'")).toBe('idx_tasks_sheet_name');
  expect(indexOf("batch_id = 'a' AND sheet_name = 'b'")).toBe('idx_tasks_batch_id');
  expect(indexOf('created_at >= 5')).toBe('idx_tasks_created_at');
  reader.close();
});

test('the planner is told of every index', () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'test.sqlite');
  new SqliteStore(path, 'writer').close();
  const reader = new Database(path, { readonly: true });
  const columnOf = (sql: string) =>
    reader
      .query<{ name: string }, []>(sql)
      .all()
      .map(({ name }) => name);
  const ofTables = "tbl_name LIKE 'translation\\_%' ESCAPE '\\'";
  expect(columnOf('SELECT idx AS name FROM sqlite_stat1 ORDER BY idx')).toEqual(
    columnOf(`SELECT name FROM sqlite_schema WHERE type = 'index' AND ${ofTables} ORDER BY name`),
  );
  reader.close();
});
