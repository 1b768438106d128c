import { join } from 'node:path';
import { ConfigError } from './load.ts';
import type { Config } from './schema.ts';

/** How to reach a MySQL server. */
export interface MysqlConnection {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  /** Connections at most. */
  poolSize: number;
  /** How long one statement may take. */
  statementLimitMs: number;
}

/** A storage backend as configured, with the names of the collections that it keeps. */
export type BackendConfig = { collections: readonly string[] } & (
  | { type: 'mysql'; connection: MysqlConnection }
  | { type: 'sqlite'; path: string }
);

/** The file of the embedded database, in the data folder. */
const embeddedFile = 'persistence.sqlite';

type BackendSettings = NonNullable<Config['storage']['backends']>[string];

/**
 * The enabled backends by name: those of `storage.backends`, or the one that the `database` section selects.
 * @param allCollections what a backend of the `database` section keeps.
 * @throws ConfigError for a database URL that cannot be read.
 */
export function backendsOf(config: Config, allCollections: readonly string[]): Record<string, BackendConfig> {
  const { backends } = config.storage;
  if (backends !== undefined) {
    if (config.database.url !== undefined) {
      throw new ConfigError([
        'database.url: storage.backends says where everything is kept; remove one of the two',
      ]);
    }
    return Object.fromEntries(
      Object.entries(backends).map(([name, backend]) => [name, namedBackend(config, name, backend)]),
    );
  }
  const { url, host } = config.database;
  const backend =
    url !== undefined
      ? fromUrl(config, url)
      : host !== undefined
        ? mysql(config, { host })
        : embedded(config);
  return { [backend.type]: { ...backend, collections: allCollections } };
}

type Unrouted = { type: 'mysql'; connection: MysqlConnection } | { type: 'sqlite'; path: string };

function namedBackend(
  config: Config,
  name: string,
  { type, config: settings = {}, data_types }: BackendSettings,
): BackendConfig {
  const { url, path, pool_size, ...connection } = settings;
  const backend =
    url !== undefined
      ? fromUrl(config, url)
      : type === 'mysql'
        ? mysql(config, { ...connection, ...(pool_size === undefined ? {} : { poolSize: pool_size }) })
        : ({ type, path: path ?? join(config.service.data_dir, embeddedFile) } as const);
  if (backend.type !== type) {
    throw new ConfigError([
      `storage.backends.${name}: the type is ${type}, but the url is for ${backend.type}`,
    ]);
  }
  return { ...backend, collections: data_types };
}

function embedded(config: Config): Unrouted {
  return { type: 'sqlite', path: join(config.service.data_dir, embeddedFile) };
}

function mysql({ database: defaults }: Config, given: Partial<MysqlConnection>): Unrouted {
  const { host = 'localhost', port, user, password, database, pool_size: poolSize } = defaults;
  const statementLimitMs = defaults.statement_timeout_seconds * 1000;
  const connection = { host, port, user, password, database, poolSize, statementLimitMs, ...given };
  return { type: 'mysql', connection };
}

function fromUrl(config: Config, url: string): Unrouted {
  const sqlitePath = /^sqlite:(?:\/\/(?=\/))?(?!\/\/)(.+)$/s.exec(url)?.[1];
  if (sqlitePath !== undefined && sqlitePath !== ':memory:') return { type: 'sqlite', path: sqlitePath };
  const connection = mysqlConnectionOf(url);
  if (connection !== undefined) return mysql(config, connection);
  // The URL itself stays out of the message: it may hold a password.
  throw new ConfigError([
    'database.url: must be mysql://user:password@host:3306/database, with special characters percent-encoded, or sqlite:path; neither takes parameters',
  ]);
}

/** What a MySQL URL gives; undefined when it is none. */
function mysqlConnectionOf(url: string): Partial<MysqlConnection> | undefined {
  const parsed = URL.parse(url);
  if (
    parsed === null ||
    !['mysql:', 'mariadb:'].includes(parsed.protocol) ||
    parsed.hostname === '' ||
    parsed.search !== ''
  )
    return undefined;
  const { hostname, port, username, password, pathname } = parsed;
  try {
    const given: Partial<MysqlConnection> = { host: hostname.replace(/^\[|\]$/g, '') };
    if (port !== '') given.port = Number(port);
    if (username !== '') given.user = decodeURIComponent(username);
    if (password !== '') given.password = decodeURIComponent(password);
    if (pathname.length > 1) given.database = decodeURIComponent(pathname.slice(1));
    return given;
  } catch {
    return undefined;
  }
}
