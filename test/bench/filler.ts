import { Database } from 'bun:sqlite';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';

/** A record by column; instants are milliseconds since the epoch or ISO 8601. */
export type Row = Record<string, unknown>;

/** Puts rows into a database's tables, past the service. */
export interface Filler {
  insert(table: string, rows: readonly Row[]): Promise<void>;
  /** Adds a copy of the first sessions and tasks, copy 0, and some of its tasks once more for the big session. */
  copy(number: number, bigTasks: number, bigSessionId: string): Promise<void>;
  /** Removes a session and its tasks. */
  remove(sessionId: string): Promise<void>;
  close(): Promise<void>;
}

const instants = new Set(['created_at', 'updated_at', 'start_time', 'end_time']);

/** How a database writes what the copies change. */
interface Dialect {
  /** Joins texts. */
  concat(...texts: string[]): string;
  /** A time so many minutes later. */
  later(column: string, minutes: number): string;
}

const sqliteDialect: Dialect = {
  concat: (...texts) => texts.join(' || '),
  later: (column, minutes) => `${column} + ${minutes * 60_000}`,
};

const mysqlDialect: Dialect = {
  concat: (...texts) => `CONCAT(${texts.join(', ')})`,
  later: (column, minutes) => `${column} + INTERVAL ${minutes} MINUTE`,
};

export class SqliteFiller implements Filler {
  readonly #database: Database;

  constructor(path: string) {
    this.#database = new Database(path, { readwrite: true });
    this.#database.run('PRAGMA synchronous = OFF');
    this.#database.run('PRAGMA cache_size = -200000');
  }

  async insert(table: string, rows: readonly Row[]): Promise<void> {
    const columns = this.#columns(table);
    this.#database.transaction(() => {
      for (const row of rows) {
        const given = columns.filter((column) => row[column] !== undefined);
        const values = given.map((column) => columnValue(column, row[column], (ms) => ms));
        this.#database
          .query(`INSERT INTO ${table} (${given.join(', ')}) VALUES (${given.map(() => '?').join(', ')})`)
          .run(...values);
      }
    })();
  }

  async copy(number: number, bigTasks: number, bigSessionId: string): Promise<void> {
    const statements = copyStatements(
      (table) => this.#columns(table),
      sqliteDialect,
      number,
      bigTasks,
      bigSessionId,
    );
    this.#database.transaction(() => {
      for (const statement of statements) this.#database.run(statement);
    })();
  }

  async remove(sessionId: string): Promise<void> {
    for (const statement of removeStatements) this.#database.query(statement).run(sessionId);
  }

  async close(): Promise<void> {
    this.#database.run('PRAGMA wal_checkpoint(TRUNCATE)');
    this.#database.close();
  }

  #columns(table: string): string[] {
    const rows = this.#database.query(`PRAGMA table_info(${table})`).all() as { name: string }[];
    return rows.map(({ name }) => name);
  }
}

export class MysqlFiller implements Filler {
  readonly #connection: Connection;
  readonly #columns: ReadonlyMap<string, string[]>;

  private constructor(connection: Connection, columns: ReadonlyMap<string, string[]>) {
    this.#connection = connection;
    this.#columns = columns;
  }

  static async open(url: string): Promise<MysqlFiller> {
    const connection = await createConnection(url);
    await connection.query("SET SESSION unique_checks = 0, foreign_key_checks = 0, time_zone = '+00:00'");
    // Only some may do this, and it only saves time.
    await connection.query('SET SESSION sql_log_bin = 0').catch(() => {});
    const [rows] = await connection.query<RowDataPacket[]>(
      'SELECT table_name AS name, column_name AS column_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY ordinal_position',
    );
    const columns = Map.groupBy(rows, ({ name }) => String(name));
    return new MysqlFiller(
      connection,
      new Map([...columns].map(([name, of]) => [name, of.map((row) => String(row.column_name))])),
    );
  }

  async insert(table: string, rows: readonly Row[]): Promise<void> {
    const columns = this.#columnsOf(table);
    for (let start = 0; start < rows.length; start += 500) {
      const values = rows
        .slice(start, start + 500)
        .map((row) =>
          columns.map((column) => columnValue(column, row[column] ?? defaults[column], datetimeOf)),
        );
      await this.#connection.query(`INSERT INTO ${table} (${columns.join(', ')}) VALUES ?`, [values]);
    }
  }

  async copy(number: number, bigTasks: number, bigSessionId: string): Promise<void> {
    await this.#connection.query('START TRANSACTION');
    const columns = (table: string): string[] => this.#columnsOf(table);
    for (const statement of copyStatements(columns, mysqlDialect, number, bigTasks, bigSessionId)) {
      await this.#connection.query(statement);
    }
    await this.#connection.query('COMMIT');
  }

  async remove(sessionId: string): Promise<void> {
    for (const statement of removeStatements) await this.#connection.query(statement, [sessionId]);
  }

  async close(): Promise<void> {
    await this.#connection.query('ANALYZE TABLE translation_sessions, translation_tasks');
    await this.#connection.end();
  }

  #columnsOf(table: string): string[] {
    return this.#columns.get(table) ?? [];
  }
}

/** Columns that must not be null, where a record has none. */
const defaults: Readonly<Record<string, number>> = {
  retry_count: 0,
  total_tasks: 0,
  completed_tasks: 0,
  failed_tasks: 0,
  processing_tasks: 0,
};

const removeStatements = [
  'DELETE FROM translation_tasks WHERE session_id = ?',
  'DELETE FROM translation_sessions WHERE session_id = ?',
];

function copyStatements(
  columnsOf: (table: string) => string[],
  dialect: Dialect,
  number: number,
  bigTasks: number,
  bigSessionId: string,
): string[] {
  const digits = String(number).padStart(6, '0');
  const idOf = (column: string, prefix: string): string =>
    dialect.concat(`'${prefix}${digits}'`, `SUBSTR(${column}, 8)`);
  const times = {
    created_at: dialect.later('created_at', number),
    updated_at: dialect.later('updated_at', number),
    version: `version + ${number * 60_000_000}`,
  };
  const big = {
    ...times,
    task_id: idOf('task_id', 'b'),
    session_id: `'${bigSessionId}'`,
    batch_id: `'batch_${number}'`,
    status: "'pending'",
  };
  const statement = (table: string, key: string, changed: Record<string, string>, rest = ''): string => {
    const columns = columnsOf(table);
    const values = columns.map((column) => changed[column] ?? column);
    return `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM ${table} WHERE ${key} >= 'c000000' AND ${key} < 'c000001' ORDER BY ${key}${rest}`;
  };
  const bigCopy = statement('translation_tasks', 'task_id', big, ` LIMIT ${bigTasks}`);
  if (number === 0) return [bigCopy];
  const session = { ...times, session_id: idOf('session_id', 'c') };
  return [
    statement('translation_sessions', 'session_id', session),
    statement('translation_tasks', 'task_id', { ...session, task_id: idOf('task_id', 'c') }),
    bigCopy,
  ];
}

function columnValue<Instant>(
  column: string,
  value: unknown,
  instant: (ms: number) => Instant,
): Instant | string | number | null {
  if (value === undefined || value === null) return null;
  if (instants.has(column)) return instant(typeof value === 'number' ? value : Date.parse(String(value)));
  return typeof value === 'object' ? JSON.stringify(value) : (value as string | number);
}

function datetimeOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
}
