import { createPool, type Pool, type PoolConnection, type RowDataPacket } from 'mysql2';
import type { MysqlConnection } from '../../config/backends.ts';
import { StorageError } from '../contract.ts';
import { isConnectionLost, mysqlError } from './errors.ts';
import { LentConnection } from './lent-connection.ts';

const connectLimitMs = 5_000;

/** No time limit of the server's. */
export const unlimited = 0;

/**
 * What every connection is set to, whatever the server's defaults: values that do not fit are errors, never
 * cut, times are UTC, and MySQL's table sizes are those of now. The server itself gives up what takes too long: reads
 * on MySQL, every statement on MariaDB. One whose client has gone would go on for ever otherwise, and keep the server
 * from tidying up. A skip scan would read an index on another column from end to end in place of a range of the right
 * one, and sort it.
 */
export function sessionSettings(limitMs: number): string {
  return `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'
    /*!80000 , information_schema_stats_expiry = 0, max_execution_time = ${Math.ceil(limitMs)},
      optimizer_switch = 'skip_scan=off' */
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
  readonly #lent = new WeakMap<PoolConnection, LentConnection>();
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
  async use<T>(action: (connection: LentConnection) => Promise<T>): Promise<T> {
    let connection: LentConnection | undefined;
    try {
      connection = await this.#lend();
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
  uncommitted<T>(read: (connection: LentConnection) => Promise<T>): Promise<T> {
    return this.use(async (connection) => {
      const sql = 'SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED';
      await connection.query({ sql });
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
  inTransaction<T>(action: (connection: LentConnection) => Promise<T>): Promise<T> {
    return this.use(async (connection) => {
      const run = (sql: string) => connection.query({ sql });
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
    action: (connection: LentConnection) => Promise<T>,
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
      else await connection.query({ sql: 'SELECT RELEASE_LOCK(?)', values: [lock] });
      return settled;
    });
    if (outcome?.status === 'rejected') throw outcome.reason;
    return outcome?.value;
  }

  /** @throws StorageError `split` for a statement past whose size the server closes the connection. */
  checkSize(statement: string): void {
    // A UTF-16 unit takes at most three bytes in UTF-8: most statements need no count.
    if (statement.length * 3 < this.#packetBytesMax) return;
    const bytes = Buffer.byteLength(statement, 'utf8');
    if (bytes < this.#packetBytesMax) return;
    throw new StorageError(
      'split',
      'PACKET_TOO_LARGE',
      `A statement of ${bytes} bytes is over the server's max_allowed_packet of ${this.#packetBytesMax}`,
    );
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pool.end((error) => (error === null || error === undefined ? resolve() : reject(error)));
    });
  }

  #lend(): Promise<LentConnection> {
    return new Promise((resolve, reject) => {
      this.#pool.getConnection((error, raw) => {
        if (error !== null) return reject(error);
        const connection = this.#lent.get(raw) ?? new LentConnection(raw, this.statementLimitMs);
        this.#lent.set(raw, connection);
        resolve(connection);
      });
    });
  }

  /** Settles a new connection before its first statement; statements of a connection run in order. */
  #prepare(connection: PoolConnection): void {
    const orDestroy = (error: unknown): void => {
      if (error) connection.destroy();
    };
    connection.query(sessionSettings(this.statementLimitMs), orDestroy);
    connection.query(isolation, orDestroy);
    connection.query<RowDataPacket[]>('SELECT @@max_allowed_packet AS bytes', (error, rows) => {
      orDestroy(error);
      this.#packetBytesMax = Number(rows?.[0]?.bytes ?? this.#packetBytesMax);
    });
  }
}
