import { avg, count, eq, getTableColumns, inArray, type SQL, sql } from 'drizzle-orm';
import type { MySqlTable } from 'drizzle-orm/mysql-core';
import type { MySql2Database } from 'drizzle-orm/mysql2';
import { migrate } from 'drizzle-orm/mysql2/migrator';
import type { ResultSetHeader, RowDataPacket } from 'mysql2';
import type { MysqlConnection } from '../../config/backends.ts';
import type { Collection } from '../collection.ts';
import {
  type Condition,
  type CountOptions,
  type Deletion,
  type Duration,
  type PendingRecord,
  type Query,
  type Removal,
  type StorageBackend,
  StorageError,
  type StoredRecord,
} from '../contract.ts';
import { columnOf, orderOf, whereOf } from '../sql/conditions.ts';
import { type DeletedVersions, deletionGuard, guardedKeys, notDeleted } from '../sql/deletions.ts';
import { migrationsFolder } from '../sql/migrations.ts';
import { storedRecords } from '../sql/rows.ts';
import { groupByFewShapes } from '../sql/upsert.ts';
import { MysqlConnections, sessionSettings, unlimited } from './connections.ts';
import { mysqlError } from './errors.ts';
import { gatheredReads } from './gathered-reads.ts';
import { type LentConnection, resumingDatabase } from './lent-connection.ts';
import { datetimeOf, translationSessions, translationTasks } from './schema.ts';
import {
  deletedVersionsStatement,
  keepStatement,
  markStatement,
  readStatement,
  sizeStatement,
  WriteStatements,
} from './statements.ts';

const tables: Readonly<Record<string, MySqlTable>> = {
  translation_sessions: translationSessions,
  translation_tasks: translationTasks,
};

const migrationLockLimitSeconds = 60;
/** An index on a large table takes its time. */
const migrationLimitMs = 600_000;

/** Keeps records in MySQL 8.0.17 or newer, or in MariaDB 10.6 or newer. */
export class MysqlBackend implements StorageBackend {
  readonly kind = 'mysql';
  readonly #connections: MysqlConnections;
  readonly #statements = new WriteStatements();
  readonly #reads = new Map<Collection, ReturnType<typeof gatheredReads<StoredRecord>>>();
  #opening: Promise<void> | undefined;

  constructor(server: MysqlConnection) {
    this.#connections = new MysqlConnections(server);
  }

  get #limitMs(): number {
    return this.#connections.statementLimitMs;
  }

  open(): Promise<void> {
    this.#opening ??= this.#migrate().catch((error: unknown) => {
      this.#opening = undefined;
      throw mysqlError(error);
    });
    return this.#opening;
  }

  async write(collection: Collection, records: readonly PendingRecord[]): Promise<void> {
    const table = tableOf(collection);
    await this.#inTransaction(async (connection) => {
      // Hardly ever is one of them deleted: the first statement is made while the server looks.
      let statements = this.#writeStatements(table, collection, records);
      const [deleted, first] = await Promise.all([
        this.#deletedVersions(connection, collection, records),
        statements.next(),
      ]);
      const kept = notDeleted(collection, records, deleted);
      let next = first;
      if (kept !== records) {
        statements = this.#writeStatements(table, collection, kept);
        next = await statements.next();
      }
      while (next.done !== true) {
        // The next one is made while the server works on this one.
        [, next] = await Promise.all([this.#send(connection, next.value), statements.next()]);
      }
    });
  }

  async *#writeStatements(
    table: MySqlTable,
    collection: Collection,
    records: readonly PendingRecord[],
  ): AsyncGenerator<string, undefined> {
    for (const shape of groupByFewShapes(collection, records)) {
      yield* this.#statements.statements(table, collection, shape);
    }
  }

  async #send(connection: LentConnection, sql: string): Promise<void> {
    this.#connections.checkSize(sql);
    await connection.query({ sql });
  }

  async read(collection: Collection, key: string): Promise<StoredRecord | undefined> {
    let reads = this.#reads.get(collection);
    if (reads === undefined) {
      reads = gatheredReads((keys) => this.#stored(collection, keys));
      this.#reads.set(collection, reads);
    }
    return await reads(key);
  }

  async #stored(collection: Collection, keys: readonly string[]): Promise<ReadonlyMap<string, StoredRecord>> {
    const { table, columns } = tableAndColumns(collection);
    // Clients ask for single records by the thousand: the query builder would take longer than the server.
    const sql = readStatement(table, collection);
    const [rows] = await this.#ask((connection) =>
      connection.query<RowDataPacket[]>({ sql, values: [keys] }),
    );
    return new Map(storedRecords(columns, rows).map((row) => [String(row[collection.key]), row]));
  }

  async existing(collection: Collection, keys: readonly string[]): Promise<Set<string>> {
    const { table, columns } = tableAndColumns(collection);
    const key = columnOf(columns, collection.key);
    const rows = await this.#build((db) =>
      db
        .select({ key })
        .from(table)
        .where(inArray(key, [...keys])),
    );
    return new Set(rows.map((row) => String(row.key)));
  }

  async query(collection: Collection, query: Query): Promise<StoredRecord[]> {
    const { table, columns } = tableAndColumns(collection);
    const key = columnOf(columns, collection.key);
    const order = orderOf(columns, collection.key, query);
    const [rows] = await this.#ask((connection) => {
      const { database } = connection;
      // An index alone says which rows it is; only these are read whole.
      const page = database
        .select({ key })
        .from(table)
        .where(whereOf(columns, collection.key, query))
        .orderBy(...order)
        .limit(query.limit)
        .offset(query.offset ?? 0)
        .as('page');
      const { sql, params } = database
        .select(columns)
        .from(table)
        .innerJoin(page, eq(key, page.key))
        .orderBy(...order)
        .toSQL();
      // Rows come by the thousand: the query builder would take longer than the driver to read them.
      return connection.query<RowDataPacket[]>({ sql, values: params });
    });
    return storedRecords(columns, rows);
  }

  async count(
    collection: Collection,
    where: readonly Condition[],
    { upTo, rough }: CountOptions & { upTo?: number } = {},
  ): Promise<number> {
    const { table, columns } = tableAndColumns(collection);
    const matching = whereOf(columns, collection.key, { where });
    const [row] = await this.#survey(rough, (db) => {
      if (upTo === undefined) return db.select({ total: count() }).from(table).where(matching);
      const some = db
        .select({ one: sql`1`.as('one') })
        .from(table)
        .where(matching)
        .limit(upTo)
        .as('some');
      return db.select({ total: count() }).from(some);
    });
    return row?.total ?? 0;
  }

  async countBy(
    collection: Collection,
    field: string,
    { rough }: CountOptions = {},
  ): Promise<ReadonlyMap<string, number>> {
    const { table, columns } = tableAndColumns(collection);
    const value = columnOf(columns, field);
    const rows = await this.#survey(rough, (db) =>
      db.select({ value, total: count() }).from(table).groupBy(value),
    );
    return new Map(rows.map((row) => [String(row.value), row.total]));
  }

  async averageMs(
    collection: Collection,
    where: readonly Condition[],
    duration: Duration,
    { rough }: CountOptions = {},
  ): Promise<number | undefined> {
    const { table, columns } = tableAndColumns(collection);
    const length: SQL =
      'field' in duration
        ? sql`${columnOf(columns, duration.field)}`
        : sql`TIMESTAMPDIFF(MICROSECOND, ${columnOf(columns, duration.from)}, ${columnOf(columns, duration.to)}) / 1000`;
    const [row] = await this.#survey(rough, (db) =>
      db
        .select({ mean: avg(length) })
        .from(table)
        .where(whereOf(columns, collection.key, { where })),
    );
    return row?.mean == null ? undefined : Number(row.mean);
  }

  async sizeBytes(): Promise<number> {
    await this.open();
    const [rows] = await this.#connections.use((connection) =>
      connection.query<RowDataPacket[]>({ sql: sizeStatement }),
    );
    return Number(rows[0]?.bytes ?? 0);
  }

  async markDeleted(collection: Collection, { key, version, deletedAtMs }: Deletion): Promise<void> {
    const values = [collection.name, key, version, datetimeOf(deletedAtMs)];
    await this.#ask((connection) => connection.query({ sql: markStatement, values }));
  }

  async remove(collection: Collection, { where, limit, keptSinceMs }: Removal): Promise<number> {
    const { table, columns } = tableAndColumns(collection);
    const key = columnOf(columns, collection.key);
    return await this.#inTransaction(async (connection) => {
      const rows = await connection.database
        .select({ key })
        .from(table)
        .where(whereOf(columns, collection.key, { where }))
        .limit(limit)
        .for('update');
      const keys = rows.map((row) => String(row.key));
      if (keys.length === 0) return 0;
      if (keptSinceMs !== undefined) {
        const values = [datetimeOf(keptSinceMs), keys];
        const keep = keepStatement(table, collection);
        await connection.query({ sql: keep, values });
      }
      await connection.database.delete(table).where(inArray(key, keys));
      return keys.length;
    });
  }

  async purge(beforeMs: number, limit: number): Promise<number> {
    const [result] = await this.#ask((connection) =>
      connection.query<ResultSetHeader>({
        sql: 'DELETE FROM deleted_records WHERE deleted_at < ? LIMIT ?',
        values: [datetimeOf(beforeMs), limit],
      }),
    );
    return result.affectedRows;
  }

  async exclusively<T>(name: string, action: () => Promise<T>): Promise<T | undefined> {
    await this.open();
    return await this.#connections.exclusively(name, 0, action);
  }

  async healthCheck(): Promise<void> {
    await this.#build((db) => db.execute('SELECT 1'));
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  /** One instance at a time brings the tables up to date; Drizzle itself takes no lock. */
  async #migrate(): Promise<void> {
    const migrated = await this.#connections.exclusively(
      'persistence_service',
      migrationLockLimitSeconds,
      async (connection) => {
        // A server that gave up in mid-migration would leave tables that are neither old nor new.
        const set = (limitMs: number) => connection.query({ sql: sessionSettings(limitMs) });
        await set(unlimited);
        try {
          await migrate(resumingDatabase(connection, migrationLimitMs), {
            migrationsFolder: migrationsFolder('mysql'),
          });
        } finally {
          await set(this.#limitMs).catch(() => connection.destroy());
        }
        return true;
      },
    );
    if (migrated === undefined) {
      throw new StorageError(
        'retry',
        'MIGRATION_LOCKED',
        'Another instance has been migrating this database for a minute',
      );
    }
  }

  /** The deletions that concern these records; none can be added until the transaction ends. */
  async #deletedVersions(
    connection: LentConnection,
    collection: Collection,
    records: readonly PendingRecord[],
  ): Promise<DeletedVersions> {
    const sql = deletedVersionsStatement(
      deletionGuard(collection).collection,
      guardedKeys(collection, records),
    );
    this.#connections.checkSize(sql);
    const [rows] = await connection.query<RowDataPacket[]>({ sql });
    return new Map(rows.map(({ record_key: key, version }) => [key, version]));
  }

  /** Reads, once the tables are there. */
  async #ask<T>(read: (connection: LentConnection) => PromiseLike<T>): Promise<T> {
    await this.open();
    return await this.#lookingAgain(this.#connections.use(async (connection) => await read(connection)));
  }

  /** The same with a statement that is built for the call. */
  #build<T>(read: (db: MySql2Database) => PromiseLike<T>): Promise<T> {
    return this.#ask((connection) => read(connection.database));
  }

  async #survey<T>(rough: boolean | undefined, read: (db: MySql2Database) => PromiseLike<T>): Promise<T> {
    if (rough !== true) return await this.#build(read);
    await this.open();
    return await this.#lookingAgain(
      this.#connections.uncommitted(async (connection) => await read(connection.database)),
    );
  }

  /** Writes, once the tables are there. */
  async #inTransaction<T>(write: (connection: LentConnection) => Promise<T>): Promise<T> {
    await this.open();
    return await this.#lookingAgain(this.#connections.inTransaction(write));
  }

  /** The set-up may be mended meanwhile, by an empty database in place of a lost one: look again before the next call. */
  async #lookingAgain<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof StorageError && error.remedy === 'pause') this.#opening = undefined;
      throw error;
    }
  }
}

function tableAndColumns(collection: Collection) {
  const table = tableOf(collection);
  return { table, columns: getTableColumns(table) };
}

function tableOf(collection: Collection): MySqlTable {
  const table = tables[collection.name];
  if (table === undefined) {
    throw new StorageError(
      'pause',
      'NO_TABLE',
      `The mysql plugin has no table for the collection "${collection.name}"`,
    );
  }
  return table;
}
