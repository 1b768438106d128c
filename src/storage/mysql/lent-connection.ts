import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import type { FieldPacket, PoolConnection, QueryOptions, QueryResult, QueryValues } from 'mysql2';

/**
 * A connection in the hands of one caller. It is the driver's callback flavour underneath: the other one takes down
 * where each statement comes from, which costs a short one as much time as its answer.
 */
export class LentConnection {
  readonly #raw: PoolConnection;
  readonly #limitMs: number;
  #database: MySql2Database | undefined;

  /** @param limitMs a statement that takes longer fails, and with it the connection. */
  constructor(raw: PoolConnection, limitMs: number) {
    this.#raw = raw;
    this.#limitMs = limitMs;
  }

  /** The same for statements that are built for the call. */
  get database(): MySql2Database {
    this.#database ??= databaseOf(this);
    return this.#database;
  }

  /**
   * Sends a statement at once. Drizzle calls it too.
   * @param options `timeout`: another limit than the connection's.
   */
  query<Result extends QueryResult>(
    options: QueryOptions,
    values?: QueryValues,
  ): Promise<[Result, FieldPacket[]]> {
    // Without values the driver would look through all of the text for the places of some; null says that there are none.
    const given = { timeout: this.#limitMs, values: values ?? null, ...options };
    return new Promise((resolve, reject) => {
      this.#raw.query<Result>(given, (error, result, fields) => {
        if (error === null) resolve([result, fields]);
        else reject(error);
      });
    });
  }

  /** Gives the connection back. */
  release(): void {
    this.#raw.release();
  }

  /** Gives it up. */
  destroy(): void {
    this.#raw.destroy();
  }
}

/** A column or an index is there already, or is gone already. */
const alreadyDone: readonly unknown[] = [1060, 1061, 1091];

/**
 * A database for Drizzle's migrations. The server commits each of their statements, and Drizzle notes a migration
 * after its last one: what was done before an attempt broke off is stepped over by the next.
 */
export function resumingDatabase(connection: LentConnection, timeout: number): MySql2Database {
  const query = async (options: QueryOptions, values?: QueryValues): Promise<unknown> => {
    try {
      return await connection.query({ ...options, timeout }, values);
    } catch (error) {
      if (error instanceof Error && 'errno' in error && alreadyDone.includes(error.errno)) return [{}, []];
      throw error;
    }
  };
  return databaseOf({ query });
}

interface Client {
  query(options: QueryOptions, values?: QueryValues): Promise<unknown>;
}

/** Drizzle asks no more of its client than these two; the second is for migrations. */
function databaseOf(client: Client): MySql2Database {
  const query: Client['query'] = (options, values) => client.query(options, values);
  const execute = (sql: string, values?: QueryValues): Promise<unknown> => client.query({ sql }, values);
  return drizzle({ client: { query, execute } as unknown as PoolConnection });
}
