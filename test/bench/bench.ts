import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import type { TestDatabase } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Dataset, openDataset } from './dataset.ts';
import type { MysqlOfRun, MysqlServer } from './mysql-server.ts';
import type { Sizes } from './sizes.ts';

export const storageKinds = ['sqlite', 'mysql'] as const;
export type StorageKind = (typeof storageKinds)[number];

/** Starts no flush but the one that is asked for: whatever is accepted stays in the journal and in memory. */
export const parkedFlusher = {
  BUFFER_MAX_BUFFER_SIZE: '1000000',
  BUFFER_FLUSH_INTERVAL: '86400',
  BUFFER_FLUSH_TIMEOUT_SECONDS: '240',
  BUFFER_BYTES_MAX: '1073741824',
  JOURNAL_BYTES_MAX: '1000000000000',
  SERVICE_SHUTDOWN_TIMEOUT_SECONDS: '0',
};

/** What a family measures with: one build of the service, a size, databases. */
export class Bench implements AsyncDisposable {
  readonly binary: string;
  readonly sizes: Sizes;
  readonly #dataFolder: string | undefined;
  readonly #schema: string;
  readonly #closing = new AsyncDisposableStack();
  readonly #datasets = new Map<StorageKind, Promise<Dataset>>();
  readonly #mysql: MysqlOfRun;
  /** Loads go to the dataset instead of an empty database. */
  readonly #loadsOntoDataset: boolean;

  /**
   * @param checkout the source tree that the binary was built from.
   * @param dataFolder where databases are kept for later runs; otherwise they are deleted.
   */
  constructor(given: {
    checkout: string;
    sizes: Sizes;
    dataFolder?: string | undefined;
    mysql: MysqlOfRun;
    loadsOntoDataset?: boolean;
  }) {
    this.binary = join(given.checkout, 'dist/persistence-service');
    this.sizes = given.sizes;
    this.#dataFolder = given.dataFolder;
    this.#schema = schemaOf(given.checkout);
    this.#mysql = given.mysql;
    this.#loadsOntoDataset = given.loadsOntoDataset ?? false;
  }

  mysql(): Promise<MysqlServer> {
    return this.#mysql.server();
  }

  /** An empty database with the service's tables; `await using` removes it. */
  async database(storage: StorageKind): Promise<TestDatabase> {
    const database = storage === 'mysql' ? await (await this.mysql()).create() : sqliteFile();
    await this.migrate(database.url);
    return database;
  }

  /** Where a load is to go: an empty database, unless it is to be seen how the load fares on a full one. */
  async loadDatabase(storage: StorageKind): Promise<TestDatabase> {
    if (!this.#loadsOntoDataset) return await this.database(storage);
    const { url } = await this.dataset(storage);
    return { url, [Symbol.asyncDispose]: async () => {} };
  }

  /** The database with `storedTasks` tasks, which is only read. */
  dataset(storage: StorageKind): Promise<Dataset> {
    let dataset = this.#datasets.get(storage);
    if (dataset === undefined) {
      dataset = openDataset(storage, this.sizes.storedTasks, {
        schema: this.#schema,
        folder: this.#dataFolder ?? this.temporaryFolder(),
        keep: this.#dataFolder !== undefined,
        mysql: () => this.mysql(),
        migrate: (url) => this.migrate(url),
      }).then((opened) => this.#closing.use(opened));
      this.#datasets.set(storage, dataset);
    }
    return dataset;
  }

  /** A folder that is deleted at the end of the run. */
  temporaryFolder(): string {
    return this.#closing.use(temporaryFolder()).path;
  }

  /** The built service in a process of its own, with an empty data folder; `await using` kills it. */
  async service(
    databaseUrl: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServiceProcess> {
    const folder = temporaryFolder();
    const service = await startServiceProcess({
      dataDir: folder.path,
      databaseUrl,
      environment: { ...environment },
      command: [this.binary],
    });
    const end = service[Symbol.asyncDispose].bind(service);
    return Object.assign(service, {
      async [Symbol.asyncDispose]() {
        await end();
        folder[Symbol.dispose]();
      },
    });
  }

  async migrate(databaseUrl: string): Promise<void> {
    const migration = Bun.spawn([this.binary, 'migrate'], {
      env: { PATH: process.env.PATH ?? '', DATABASE_URL: databaseUrl },
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [said, code] = await Promise.all([migration.stdout.text(), migration.exited]);
    if (code !== 0) throw new Error(`migrate ended with ${code}: ${said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closing.disposeAsync();
  }
}

function sqliteFile(): TestDatabase {
  const folder = temporaryFolder();
  return {
    url: `sqlite:${join(folder.path, 'bench.sqlite')}`,
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

/** Names the tables of a checkout: a dataset is used again only for the same. */
function schemaOf(checkout: string): string {
  const folder = join(checkout, 'drizzle');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.sql'),
  );
  const text = files.toSorted().map((path) => readFileSync(join(folder, path), 'utf8'));
  return Bun.hash.crc32(text.join('\n')).toString(16).padStart(8, '0');
}
