import { Database } from 'bun:sqlite';
import { count, eq, getTableColumns, getTableName, inArray } from 'drizzle-orm';
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite';
import { migrate } from 'drizzle-orm/bun-sqlite/migrator';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Collection } from '../collection.ts';
import {
  type Condition,
  type PendingRecord,
  type Query,
  StorageError,
  type StoredRecord,
} from '../contract.ts';
import { columnOf, orderOf, whereOf } from '../sql/conditions.ts';
import { migrationsFolder } from '../sql/migrations.ts';
import { groupByShape, type Shape, upsertAssignments, upsertColumns } from '../sql/upsert.ts';
import { translationSessions, translationTasks } from './schema.ts';

const tables: Readonly<Record<string, SQLiteTable>> = {
  translation_sessions: translationSessions,
  translation_tasks: translationTasks,
};

const quote = (name: string): string => `"${name}"`;
const lockWaitMs = 5_000;

/** The records of one SQLite file. Every call runs to its end: it belongs on a thread of its own. */
export class SqliteStore {
  readonly #database: Database;
  readonly #db: BunSQLiteDatabase;

  /** Opens the file; `writer` creates it and brings its tables up to date, a reader finds it ready. */
  constructor(path: string, role: 'writer' | 'reader') {
    this.#database = new Database(
      path,
      role === 'writer' ? { create: true, readwrite: true } : { readonly: true },
    );
    this.#db = drizzle({ client: this.#database });
    try {
      this.#prepare(role);
    } catch (error) {
      // Opening is tried again for ever: each attempt has to give its file back.
      this.#database.close();
      throw error;
    }
  }

  write(collection: Collection, records: readonly PendingRecord[]): void {
    const shapes = groupByShape(collection, records);
    this.#database
      .transaction(() => {
        for (const shape of shapes.values()) {
          const statement = this.#database.query(upsertStatement(collection, shape));
          for (const row of shape.rows) statement.run(...row);
        }
      })
      .immediate();
  }

  existing(collection: Collection, keys: readonly string[]): string[] {
    const table = tableOf(collection);
    const key = columnOf(getTableColumns(table), collection.key);
    const rows = this.#db
      .select({ key })
      .from(table)
      .where(inArray(key, [...keys]))
      .all();
    return rows.map((row) => String(row.key));
  }

  query(collection: Collection, query: Query): StoredRecord[] {
    const table = tableOf(collection);
    const columns = getTableColumns(table);
    return this.#db
      .select()
      .from(table)
      .where(whereOf(columns, collection.key, query))
      .orderBy(...orderOf(columns, collection.key, query))
      .limit(query.limit)
      .offset(query.offset ?? 0)
      .all() as unknown as StoredRecord[];
  }

  count(collection: Collection, where: readonly Condition[]): number {
    const table = tableOf(collection);
    const columns = getTableColumns(table);
    const [row] = this.#db
      .select({ total: count() })
      .from(table)
      .where(whereOf(columns, collection.key, { where }))
      .all();
    return row?.total ?? 0;
  }

  delete(collection: Collection, key: string): boolean {
    const table = tableOf(collection);
    const deleted = this.#db
      .delete(table)
      .where(eq(columnOf(getTableColumns(table), collection.key), key))
      .returning({ key: columnOf(getTableColumns(table), collection.key) })
      .all();
    return deleted.length > 0;
  }

  #prepare(role: 'writer' | 'reader'): void {
    this.#database.run(`PRAGMA busy_timeout = ${lockWaitMs}`);
    if (role === 'reader') return;
    this.#database.run('PRAGMA journal_mode = WAL');
    // A commit is on disk when it returns: the journal lets go of what is committed.
    this.#database.run('PRAGMA synchronous = FULL');
    this.#database.run('PRAGMA foreign_keys = ON');
    migrate(this.#db, { migrationsFolder: migrationsFolder('sqlite') });
  }

  healthCheck(): void {
    this.#database.query('SELECT 1').get();
  }

  close(): void {
    this.#database.close();
  }
}

function upsertStatement(collection: Collection, { given }: Shape): string {
  const columns = upsertColumns(collection);
  const assignments = upsertAssignments(collection, given, {
    quote,
    incoming: (name) => `excluded.${quote(name)}`,
  });
  return `INSERT INTO ${quote(getTableName(tableOf(collection)))} (${columns.map(quote).join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) ON CONFLICT (${quote(collection.key)}) DO UPDATE SET ${assignments.join(', ')}`;
}

function tableOf(collection: Collection): SQLiteTable {
  const table = tables[collection.name];
  if (table === undefined) {
    throw new StorageError(
      'pause',
      'NO_TABLE',
      `The sqlite plugin has no table for the collection "${collection.name}"`,
    );
  }
  return table;
}
