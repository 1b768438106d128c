import { count, eq, getTableColumns, inArray } from 'drizzle-orm';
import type { MySqlTable } from 'drizzle-orm/mysql-core';
import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import { migrate } from 'drizzle-orm/mysql2/migrator';
import {
  createPool,
  type Pool,
  type PoolConnection,
  type QueryOptions,
  type QueryValues,
  type RowDataPacket,
} from 'mysql2/promise';
import type { MysqlConnection } from '../../config/backends.ts';
import type { Collection } from '../collection.ts';
import {
  type Condition,
  type PendingRecord,
  type Query,
  queryOfKey,
  type StorageBackend,
  StorageError,
  type StoredRecord,
} from '../contract.ts';
import { columnOf, orderOf, whereOf } from '../sql/conditions.ts';
import { migrationsFolder } from '../sql/migrations.ts';
import { groupByShape } from '../sql/upsert.ts';
import { isConnectionLost, mysqlError } from './errors.ts';
import { translationSessions, translationTasks } from './schema.ts';
import { UpsertStatements } from './statements.ts';

const tables: Readonly<Record<string, MySqlTable>> = {
  translation_sessions: translationSessions,
  translation_tasks: translationTasks,
};

const connectLimitMs = 5_000;
/** A statement that takes longer costs its connection: the server may be stopped rather than slow. */
const statementLimitMs = 30_000;
const migrationLockLimitSeconds = 60;
/** An index on a large table takes its time. */
const migrationLimitMs = 600_000;

/**
 * What every connection is set to, whatever the server's defaults: values that do not fit are errors, never
 * cut, and times are UTC.
 */
const sessionSettings =
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'";

/** Keeps records in MySQL 8.0.17 or newer, or in MariaDB 10.6 or newer. */
export class MysqlBackend implements StorageBackend {
  readonly kind = 'mysql';
  readonly #database: string;
  readonly #pool: Pool;
  readonly #statements = new UpsertStatements();
  #opening: Promise<void> | undefined;
  #packetBytesMax = Number.POSITIVE_INFINITY;

  constructor(server: MysqlConnection) {
    this.#database = server.database;
    this.#pool = createPool({
      host: server.host,
      port: server.port,
      user: server.user,
      password: server.password,
      database: server.database,
      connectionLimit: server.poolSize,
      connectTimeout: connectLimitMs,
      charset: 'utf8mb4',
      timezone: 'Z',
      dateStrings: true,
      jsonStrings: true,
      enableKeepAlive: true,
      keepAliveInitialDelay: 10_000,
    });
    this.#pool.on('connection', (connection) => this.#prepare(connection));
  }

  open(): Promise<void> {
    this.#opening ??= this.#migrate().catch((error: unknown) => {
      this.#opening = undefined;
      throw mysqlError(error);
    });
    return this.#opening;
  }

  async write(collection: Collection, records: readonly PendingRecord[]): Promise<void> {
    await this.open();
    const table = tableOf(collection);
    for (const [name, shape] of groupByShape(collection, records)) {
      await this.#execute(this.#statements.statement(table, collection, name, shape));
    }
  }

  async read(collection: Collection, key: string): Promise<StoredRecord | undefined> {
    const [record] = await this.query(collection, queryOfKey(collection, key));
    return record;
  }

  async existing(collection: Collection, keys: readonly string[]): Promise<Set<string>> {
    const { table, columns } = this.#tableAndColumns(collection);
    const key = columnOf(columns, collection.key);
    const rows = await this.#ask((db) =>
      db
        .select({ key })
        .from(table)
        .where(inArray(key, [...keys])),
    );
    return new Set(rows.map((row) => String(row.key)));
  }

  async query(collection: Collection, query: Query): Promise<StoredRecord[]> {
    const { table, columns } = this.#tableAndColumns(collection);
    const rows = await this.#ask((db) =>
      db
        .select()
        .from(table)
        .where(whereOf(columns, collection.key, query))
        .orderBy(...orderOf(columns, collection.key, query))
        .limit(query.limit)
        .offset(query.offset ?? 0),
    );
    return rows as unknown as StoredRecord[];
  }

  async count(collection: Collection, where: readonly Condition[]): Promise<number> {
    const { table, columns } = this.#tableAndColumns(collection);
    const [row] = await this.#ask((db) =>
      db
        .select({ total: count() })
        .from(table)
        .where(whereOf(columns, collection.key, { where })),
    );
    return row?.total ?? 0;
  }

  async delete(collection: Collection, key: string): Promise<boolean> {
    const { table, columns } = this.#tableAndColumns(collection);
    const [result] = await this.#ask((db) =>
      db.delete(table).where(eq(columnOf(columns, collection.key), key)),
    );
    return result.affectedRows > 0;
  }

  async healthCheck(): Promise<void> {
    await this.#ask((db) => db.execute('SELECT 1'));
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** One instance at a time brings the tables up to date; Drizzle itself takes no lock. */
  async #migrate(): Promise<void> {
    const lock = `persistence_service.${this.#database}`.slice(0, 64);
    await this.#withConnection(async (connection) => {
      const [rows] = await connection.query<RowDataPacket[]>({
        sql: 'SELECT GET_LOCK(?, ?) AS locked',
        values: [lock, migrationLockLimitSeconds],
        timeout: (migrationLockLimitSeconds + 5) * 1000,
      });
      if (rows[0]?.locked !== 1) {
        throw new StorageError(
          'retry',
          'MIGRATION_LOCKED',
          'Another instance has been migrating this database for a minute',
        );
      }
      try {
        await migrate(drizzle({ client: limited(connection, migrationLimitMs) }), {
          migrationsFolder: migrationsFolder('mysql'),
        });
      } finally {
        await connection.query('SELECT RELEASE_LOCK(?)', [lock]);
      }
    });
  }

  async #execute(statement: string): Promise<void> {
    const bytes = Buffer.byteLength(statement, 'utf8');
    if (bytes >= this.#packetBytesMax) {
      // Past this size the server does not answer, it closes the connection.
      throw new StorageError(
        'split',
        'PACKET_TOO_LARGE',
        `A statement of ${bytes} bytes is over the server's max_allowed_packet of ${this.#packetBytesMax}`,
      );
    }
    await this.#withConnection((connection) =>
      connection.query({ sql: statement, timeout: statementLimitMs }),
    );
  }

  /** Reads, once the tables are there. */
  async #ask<T>(read: (db: MySql2Database) => PromiseLike<T>): Promise<T> {
    await this.open();
    return await this.#withConnection(
      async (connection) => await read(drizzle({ client: limited(connection, statementLimitMs) })),
    );
  }

  async #withConnection<T>(use: (connection: PoolConnection) => Promise<T>): Promise<T> {
    let connection: PoolConnection | undefined;
    try {
      connection = await this.#pool.getConnection();
      const result = await use(connection);
      connection.release();
      return result;
    } catch (error) {
      if (connection !== undefined) isConnectionLost(error) ? connection.destroy() : connection.release();
      const failure = mysqlError(error);
      // The set-up may be mended meanwhile, by an empty database in place of a lost one: look again before the next call.
      if (failure.remedy === 'pause') this.#opening = undefined;
      throw failure;
    }
  }

  /** Settles a new connection before its first statement; statements of a connection run in order. */
  #prepare(connection: PoolConnection): void {
    const raw = connection as unknown as RawConnection;
    const orDestroy = (error: unknown): void => {
      if (error) raw.destroy();
    };
    raw.query(sessionSettings, orDestroy);
    raw.query('SELECT @@max_allowed_packet AS bytes', (error, rows) => {
      orDestroy(error);
      this.#packetBytesMax = Number(rows?.[0]?.bytes ?? this.#packetBytesMax);
    });
  }

  #tableAndColumns(collection: Collection) {
    const table = tableOf(collection);
    return { table, columns: getTableColumns(table) };
  }
}

/** The same connection for Drizzle, with the time limit on every statement. */
function limited(connection: PoolConnection, timeout: number): PoolConnection {
  const query = (options: QueryOptions, values?: QueryValues) =>
    connection.query({ ...options, timeout }, values);
  const execute = (sql: string, values?: QueryValues) => connection.query({ sql, timeout }, values);
  return { query, execute } as unknown as PoolConnection;
}

/** The connection of a pool event is the driver's callback flavour. */
interface RawConnection {
  query(sql: string, done: (error: unknown, rows?: readonly { bytes: number }[]) => void): void;
  destroy(): void;
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
