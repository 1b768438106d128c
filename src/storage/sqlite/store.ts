import { Database, type SQLQueryBindings } from 'bun:sqlite';
import { statSync } from 'node:fs';
import { and, avg, count, eq, getTableColumns, inArray, lt, type SQL, sql } from 'drizzle-orm';
import { type BunSQLiteDatabase, drizzle } from 'drizzle-orm/bun-sqlite';
import { migrate } from 'drizzle-orm/bun-sqlite/migrator';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Collection } from '../collection.ts';
import {
  type Condition,
  type Deletion,
  type Duration,
  type PendingRecord,
  type Query,
  type Removal,
  StorageError,
} from '../contract.ts';
import { columnOf, orderOf, whereOf } from '../sql/conditions.ts';
import { type DeletedVersions, deletionGuard, guardedKeys, notDeleted } from '../sql/deletions.ts';
import { migrationsFolder } from '../sql/migrations.ts';
import { storedRecords } from '../sql/rows.ts';
import { groupByShape, rowOf, type Shape } from '../sql/upsert.ts';
import { instructPlanner } from './planner.ts';
import { deletedRecords, steadyColumns, translationSessions, translationTasks } from './schema.ts';
import { keepStatement, markStatement, usualWriteStatement, writeStatement } from './statements.ts';

const tables: Readonly<Record<string, SQLiteTable>> = {
  translation_sessions: translationSessions,
  translation_tasks: translationTasks,
};

type Row = Record<string, unknown>;

const lockWaitMs = 5_000;

/** The records of one SQLite file. Every call runs to its end: it belongs on a thread of its own. */
export class SqliteStore {
  readonly #database: Database;
  readonly #db: BunSQLiteDatabase;
  readonly #path: string;
  readonly #inode: number;

  /** Opens the file; `writer` creates it and brings its tables up to date, a reader finds it ready. */
  constructor(path: string, role: 'writer' | 'reader') {
    this.#database = new Database(
      path,
      role === 'writer' ? { create: true, readwrite: true } : { readonly: true },
    );
    this.#db = drizzle({ client: this.#database });
    this.#path = path;
    try {
      this.#prepare(role);
      this.#inode = statSync(path).ino;
    } catch (error) {
      // Opening is tried again for ever: each attempt has to give its file back.
      this.#database.close();
      throw error;
    }
  }

  /** @throws StorageError when this is no longer the file at its path: what is written now could not be found again. */
  checkFile(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode) return;
    throw new StorageError(
      'retry',
      'SQLITE_FILE_REPLACED',
      `The database file ${this.#path} was removed or replaced while it was open`,
    );
  }

  /** @param json the records: to copy them between threads as objects takes twice as long. */
  write(collection: Collection, json: string): void {
    const records = JSON.parse(json) as PendingRecord[];
    this.#inTransaction(() => {
      const kept = notDeleted(collection, records, this.#deletedVersions(collection, records));
      for (const shape of groupByShape(collection, kept)) this.#writeShape(collection, shape);
    });
  }

  #writeShape(collection: Collection, shape: Shape): void {
    const table = tableOf(collection);
    const steady = steadyColumns[collection.name];
    const write = this.#database.query(writeStatement(table, collection, shape));
    if (steady === undefined || shape.partial) {
      for (const pending of shape.records) write.run(...rowOf(collection, pending));
      return;
    }
    const writeUsual = this.#database.query(usualWriteStatement(table, collection, shape, steady));
    for (const pending of shape.records) {
      const row = rowOf(collection, pending);
      if (writeUsual.run(...row).changes === 0) write.run(...row);
    }
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

  /** @returns the records as JSON, like those of a write. */
  query(collection: Collection, query: Query): string {
    const table = tableOf(collection);
    const columns = getTableColumns(table);
    const key = columnOf(columns, collection.key);
    const order = orderOf(columns, collection.key, query);
    // An index alone says which rows it is; only these are read whole.
    const page = this.#db
      .select({ key })
      .from(table)
      .where(whereOf(columns, collection.key, query))
      .orderBy(...order)
      .limit(query.limit)
      .offset(query.offset ?? 0);
    const { sql, params } = this.#db
      .select()
      .from(table)
      .where(inArray(key, page))
      .orderBy(...order)
      .toSQL();
    // Rows come by the thousand: the query builder would take longer than the driver to read them.
    const rows = this.#database.query<Row, SQLQueryBindings[]>(sql).all(...(params as SQLQueryBindings[]));
    return JSON.stringify(storedRecords(columns, rows));
  }

  count(collection: Collection, where: readonly Condition[], upTo?: number): number {
    const table = tableOf(collection);
    const matching = whereOf(getTableColumns(table), collection.key, { where });
    if (upTo === undefined) {
      const [row] = this.#db.select({ total: count() }).from(table).where(matching).all();
      return row?.total ?? 0;
    }
    const some = this.#db
      .select({ one: sql`1`.as('one') })
      .from(table)
      .where(matching)
      .limit(upTo)
      .as('some');
    const [row] = this.#db.select({ total: count() }).from(some).all();
    return row?.total ?? 0;
  }

  countBy(collection: Collection, field: string): Map<string, number> {
    const table = tableOf(collection);
    const value = columnOf(getTableColumns(table), field);
    const rows = this.#db.select({ value, total: count() }).from(table).groupBy(value).all();
    return new Map(rows.map((row) => [String(row.value), row.total]));
  }

  averageMs(collection: Collection, where: readonly Condition[], duration: Duration): number | undefined {
    const table = tableOf(collection);
    const columns = getTableColumns(table);
    const length: SQL =
      'field' in duration
        ? sql`${columnOf(columns, duration.field)}`
        : sql`${columnOf(columns, duration.to)} - ${columnOf(columns, duration.from)}`;
    const [row] = this.#db
      .select({ mean: avg(length) })
      .from(table)
      .where(whereOf(columns, collection.key, { where }))
      .all();
    return row?.mean == null ? undefined : Number(row.mean);
  }

  sizeBytes(): number {
    const { page_count: pages } = this.#database.query('PRAGMA page_count').get() as { page_count: number };
    const { page_size: bytes } = this.#database.query('PRAGMA page_size').get() as { page_size: number };
    return pages * bytes;
  }

  markDeleted(collection: Collection, { key, version, deletedAtMs }: Deletion): void {
    this.#database.query(markStatement).run(collection.name, key, version, deletedAtMs);
  }

  remove(collection: Collection, { where, limit, keptSinceMs }: Removal): number {
    const table = tableOf(collection);
    const columns = getTableColumns(table);
    const key = columnOf(columns, collection.key);
    return this.#inTransaction(() => {
      const rows = this.#db
        .select({ key })
        .from(table)
        .where(whereOf(columns, collection.key, { where }))
        .limit(limit)
        .all();
      const keys = rows.map((row) => String(row.key));
      if (keptSinceMs !== undefined) {
        const keep = this.#database.query(keepStatement(table, collection));
        for (const each of keys) keep.run(keptSinceMs, each);
      }
      this.#db.delete(table).where(inArray(key, keys)).run();
      return keys.length;
    });
  }

  purge(beforeMs: number, limit: number): number {
    const rowid = sql`rowid`;
    const old = this.#db
      .select({ rowid })
      .from(deletedRecords)
      .where(lt(deletedRecords.deleted_at, beforeMs))
      .limit(limit);
    return this.#db.delete(deletedRecords).where(inArray(rowid, old)).returning({ rowid }).all().length;
  }

  #deletedVersions(collection: Collection, records: readonly PendingRecord[]): DeletedVersions {
    const { collection: deletedCollection } = deletionGuard(collection);
    const rows = this.#db
      .select({ key: deletedRecords.record_key, version: deletedRecords.version })
      .from(deletedRecords)
      .where(
        and(
          eq(deletedRecords.collection, deletedCollection),
          inArray(deletedRecords.record_key, guardedKeys(collection, records)),
        ),
      )
      .all();
    return new Map(rows.map(({ key, version }) => [key, version]));
  }

  #inTransaction<T>(action: () => T): T {
    return this.#database.transaction(action).immediate();
  }

  #prepare(role: 'writer' | 'reader'): void {
    this.#database.run(`PRAGMA busy_timeout = ${lockWaitMs}`);
    if (role === 'reader') return;
    this.#database.run('PRAGMA journal_mode = WAL');
    // Pages are copied from the log into the file once for several transactions: the journal syncs to the same disk.
    this.#database.run('PRAGMA wal_autocheckpoint = 4000');
    // A commit is on disk when it returns: the journal lets go of what is committed.
    this.#database.run('PRAGMA synchronous = FULL');
    this.#database.run('PRAGMA foreign_keys = ON');
    migrate(this.#db, { migrationsFolder: migrationsFolder('sqlite') });
    instructPlanner(this.#database);
  }

  healthCheck(): void {
    this.#database.query('SELECT 1').get();
  }

  /** Gives the file back. Until its last statement is collected, SQLite keeps it open, and its lock may come later. */
  close(): void {
    Bun.gc(true);
    this.#database.close();
  }
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
