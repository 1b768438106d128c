import {
  createPool,
  type Pool,
  type PoolConnection,
  type QueryOptions,
  type QueryValues,
  type RowDataPacket,
} from 'mysql2/promise';
import type { MysqlConnection } from '../../config/backends.ts';
import { StorageError } from '../contract.ts';
import { isConnectionLost, mysqlError } from './errors.ts';

const connectLimitMs = 5_000;

/** No time limit of the server's. */
export const unlimited = 0;

/**
 * What every connection is set to, whatever the server's defaults: values that do not fit are errors, never
 * cut, times are UTC, and MySQL's table sizes are those of now. The server itself gives up what takes too long: reads
 * on MySQL, every statement on MariaDB. One whose client has gone would go on for ever otherwise, and keep the server
 * from tidying up.
 */
export function sessionSettings(limitMs: number): string {
  return `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'
    /*!80000 , information_schema_stats_expiry = 0, max_execution_time = ${Math.ceil(limitMs)} */
    /*M! , max_statement_time = ${limitMs / 1000} */`;
}

/** The isolation in which the keys of `deleted_records` that are not there are locked too. */
const isolation = 'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ';

/** The connections to one server: each is used by one caller at a time, and given up when it is lost. */
export class MysqlConnections {
  /** A statement that takes longer costs its connection: the server may be stopped rather than slow. */
  readonly statementLimitMs: number;
  readonly #database: string;
  readonly #pool: Pool;
  #packetBytesMax = Number.POSITIVE_INFINITY;

  constructor(server: MysqlConnection) {
    this.#database = server.database;
    this.statementLimitMs = server.statementLimitMs;
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

  /** Lends a connection; rejects with a `StorageError`. */
  async use<T>(action: (connection: PoolConnection) => Promise<T>): Promise<T> {
    let connection: PoolConnection | undefined;
    try {
      connection = await this.#pool.getConnection();
      const result = await action(connection);
      connection.release();
      return result;
    } catch (error) {
      if (connection !== undefined) isConnectionLost(error) ? connection.destroy() : connection.release();
      throw mysqlError(error);
    }
  }

  /**
   * Lends a connection for one statement that looks at very many rows, as they are in that moment, committed or not.
   * A consistent view would have the server look up the earlier state of every row that is written meanwhile, for
   * minutes, and keep all of these states.
   */
  uncommitted<T>(read: (connection: PoolConnection) => Promise<T>): Promise<T> {
    return this.use(async (connection) => {
      const sql = 'SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED';
      await connection.query({ sql, timeout: this.statementLimitMs });
      try {
        return await read(connection);
      } catch (error) {
        // A statement that did not come to run has left the setting to the next one.
        connection.destroy();
        throw error;
      }
    });
  }

  /** Lends a connection for one transaction, which is undone when the action fails. */
  inTransaction<T>(action: (connection: PoolConnection) => Promise<T>): Promise<T> {
    return this.use(async (connection) => {
      const run = (statement: string) => connection.query({ sql: statement, timeout: this.statementLimitMs });
      await run('START TRANSACTION');
      try {
        const result = await action(connection);
        await run('COMMIT');
        return result;
      } catch (error) {
        if (!isConnectionLost(error)) await run('ROLLBACK');
        throw error;
      }
    });
  }

  /**
   * Does something under a lock of the server's; undefined when another has had it for `waitSeconds`.
   * What the action throws is thrown as it is.
   */
  async exclusively<T>(
    name: string,
    waitSeconds: number,
    action: (connection: PoolConnection) => Promise<T>,
  ): Promise<T | undefined> {
    const lock = `${name}.${this.#database}`.slice(0, 64);
    const outcome = await this.use(async (connection) => {
      const limitSeconds = waitSeconds + 5;
      const [rows] = await connection.query<RowDataPacket[]>({
        sql: `/*M! SET STATEMENT max_statement_time = ${limitSeconds} FOR */ SELECT /*+ MAX_EXECUTION_TIME(${limitSeconds * 1000}) */ GET_LOCK(?, ?) AS locked`,
        values: [lock, waitSeconds],
        timeout: limitSeconds * 1000,
      });
      if (rows[0]?.locked !== 1) return undefined;
      const [settled] = await Promise.allSettled([action(connection)]);
      // The lock ends with its connection.
      if (settled.status === 'rejected' && isConnectionLost(settled.reason)) connection.destroy();
      else
        await connection.query({
          sql: 'SELECT RELEASE_LOCK(?)',
          values: [lock],
          timeout: this.statementLimitMs,
        });
      return settled;
    });
    if (outcome?.status === 'rejected') throw outcome.reason;
    return outcome?.value;
  }

  /** @throws StorageError `split` for a statement past whose size the server closes the connection. */
  checkSize(statement: string): void {
    const bytes = Buffer.byteLength(statement, 'utf8');
    if (bytes < this.#packetBytesMax) return;
    throw new StorageError(
      'split',
      'PACKET_TOO_LARGE',
      `A statement of ${bytes} bytes is over the server's max_allowed_packet of ${this.#packetBytesMax}`,
    );
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** Settles a new connection before its first statement; statements of a connection run in order. */
  #prepare(connection: PoolConnection): void {
    const raw = connection as unknown as RawConnection;
    const orDestroy = (error: unknown): void => {
      if (error) raw.destroy();
    };
    raw.query(sessionSettings(this.statementLimitMs), orDestroy);
    raw.query(isolation, orDestroy);
    raw.query('SELECT @@max_allowed_packet AS bytes', (error, rows) => {
      orDestroy(error);
      this.#packetBytesMax = Number(rows?.[0]?.bytes ?? this.#packetBytesMax);
    });
  }
}

/** The same connection for Drizzle, with a time limit on every statement. */
export function limited(connection: PoolConnection, timeout: number): PoolConnection {
  const query = (options: QueryOptions, values?: QueryValues) =>
    connection.query({ ...options, timeout }, values);
  const execute = (sql: string, values?: QueryValues) => connection.query({ sql, timeout }, values);
  return { query, execute } as unknown as PoolConnection;
}

/** A column or an index is there already, or is gone already. */
const alreadyDone: readonly unknown[] = [1060, 1061, 1091];

/**
 * The same connection for Drizzle's migrations. The server commits each of their statements, and Drizzle notes a
 * migration after its last one: what was done before an attempt broke off is stepped over by the next.
 */
export function resuming(connection: PoolConnection, timeout: number): PoolConnection {
  const query = async (options: QueryOptions, values?: QueryValues): Promise<unknown> => {
    try {
      return await connection.query({ ...options, timeout }, values);
    } catch (error) {
      if (error instanceof Error && 'errno' in error && alreadyDone.includes(error.errno)) return [{}, []];
      throw error;
    }
  };
  return { ...limited(connection, timeout), query } as unknown as PoolConnection;
}

/** The connection of a pool event is the driver's callback flavour. */
interface RawConnection {
  query(sql: string, done: (error: unknown, rows?: readonly { bytes: number }[]) => void): void;
  destroy(): void;
}
