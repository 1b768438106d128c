import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { startMariadb } from '../support/mariadb.ts';
import type { TestDatabase } from '../support/storages.ts';

/** The server that stands for MySQL in a run. */
export class MysqlServer {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** The one that the environment names, or a MariaDB of our own, which ends with this process. */
  static async find(environment: NodeJS.ProcessEnv): Promise<MysqlServer> {
    return new MysqlServer(
      environment.BENCH_MYSQL_URL || environment.TEST_MYSQL9_URL || (await startMariadb()).url,
    );
  }

  /** An empty database; `await using` drops it. */
  async create(): Promise<TestDatabase> {
    const name = `bench_${crypto.randomUUID().replaceAll('-', '')}`;
    await this.execute(`CREATE DATABASE ${name}`);
    return {
      url: this.urlOf(name),
      [Symbol.asyncDispose]: () => this.execute(`DROP DATABASE ${name}`),
    };
  }

  urlOf(database: string): string {
    const url = new URL(this.#url);
    url.pathname = `/${database}`;
    return url.href;
  }

  /** The version, and the settings that its speed depends on most. */
  async description(): Promise<Record<string, string>> {
    const names = [
      'version',
      'innodb_buffer_pool_size',
      'innodb_flush_log_at_trx_commit',
      'sync_binlog',
      'log_bin',
    ];
    const rows = await this.#rows('SHOW GLOBAL VARIABLES WHERE Variable_name IN (?)', [names]);
    return Object.fromEntries(rows.map((row) => [row.Variable_name, row.Value]));
  }

  async has(database: string, table: string): Promise<boolean> {
    const rows = await this.#rows(
      'SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?',
      [database, table],
    );
    return rows.length > 0;
  }

  async execute(statement: string): Promise<void> {
    await this.#connected((connection) => connection.query(statement));
  }

  /**
   * Counts what is sent to a database: by a user of its own where the server counts by user, so that others who use
   * the server do not count; else by the whole server.
   */
  async countingStatements(databaseUrl: string): Promise<StatementCounter & AsyncDisposable> {
    const user = `bench_${crypto.randomUUID().slice(0, 8)}`;
    const [schema] = await this.#rows('SELECT @@performance_schema AS enabled');
    if (schema?.enabled !== 1) {
      return {
        url: databaseUrl,
        counts: 'all statements of the server',
        sent: () => this.#number("SHOW GLOBAL STATUS LIKE 'Questions'", 'Value'),
        [Symbol.asyncDispose]: async () => {},
      };
    }
    const url = new URL(databaseUrl);
    await this.execute(`CREATE USER '${user}'@'%' IDENTIFIED BY '${user}'`);
    await this.execute(`GRANT ALL ON ${url.pathname.slice(1)}.* TO '${user}'@'%'`);
    url.username = user;
    url.password = user;
    const statement = `SELECT VARIABLE_VALUE AS Value FROM performance_schema.status_by_user WHERE USER = '${user}' AND VARIABLE_NAME = 'Questions'`;
    return {
      url: url.href,
      counts: 'statements of the service’s own user',
      sent: () => this.#number(statement, 'Value'),
      [Symbol.asyncDispose]: () => this.execute(`DROP USER '${user}'@'%'`),
    };
  }

  async #number(statement: string, column: string): Promise<number> {
    const [row] = await this.#rows(statement);
    return Number(row?.[column] ?? 0);
  }

  async #rows(statement: string, values: unknown[] = []): Promise<RowDataPacket[]> {
    const [rows] = await this.#connected((connection) =>
      connection.query<RowDataPacket[]>(statement, values),
    );
    return rows;
  }

  async #connected<T>(action: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await createConnection(this.#url);
    try {
      return await action(connection);
    } finally {
      await connection.end();
    }
  }
}

/** The server of a run, looked for when the first line needs it. */
export class MysqlOfRun {
  #server: Promise<MysqlServer> | undefined;

  server(): Promise<MysqlServer> {
    this.#server ??= MysqlServer.find(process.env);
    return this.#server;
  }

  /** Null when no line needed it. */
  async description(): Promise<Record<string, string> | null> {
    return this.#server === undefined ? null : await (await this.#server).description();
  }
}

export interface StatementCounter {
  /** As DATABASE_URL: what is sent through it is counted. */
  url: string;
  /** Which statements count. */
  counts: string;
  /** How many were sent so far. */
  sent(): Promise<number>;
}
