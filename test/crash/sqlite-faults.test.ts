import { Database } from 'bun:sqlite';
import { afterAll, beforeAll, describe } from 'bun:test';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Api } from '../support/api.ts';
import { run } from '../support/debian-package.ts';
import { type Fault, outage, type ServiceUnderLoad, testFault, wrongSetup } from '../support/fault.ts';
import { seededRandom } from '../support/game-session.ts';
import { Load } from '../support/load.ts';
import { seed } from '../support/long-form.ts';
import { Oracle } from '../support/oracle.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Scene extends ServiceUnderLoad {
  /** Has the database and nothing else. */
  folder: string;
  path: string;
}

const isRoot = process.getuid?.() === 0;

const faults: Fault<Scene>[] = [
  {
    name: 'another process has the file locked',
    shows: outage,
    code: /SQLITE_BUSY/,
    async begin({ path }) {
      const other = new Database(path);
      other.run('PRAGMA busy_timeout = 10000');
      other.run('BEGIN EXCLUSIVE');
      return async () => {
        other.run('ROLLBACK');
        other.close();
      };
    },
  },
  {
    name: 'the first pages of the file are overwritten, and then put back',
    shows: wrongSetup,
    code: /SQLITE_NOTADB/,
    async begin({ path }) {
      const other = new Database(path);
      other.run('PRAGMA busy_timeout = 10000');
      other.run('PRAGMA wal_checkpoint(TRUNCATE)');
      // Nobody writes between the reading and the damage.
      other.run('BEGIN EXCLUSIVE');
      const pages = readFileSync(path).subarray(0, 16_384);
      overwrite(
        path,
        pages.map((byte) => byte ^ 0x55),
      );
      other.close();
      return async () => overwrite(path, pages);
    },
  },
];

const immutable: Fault<Scene> = {
  name: 'the file is made immutable',
  shows: outage,
  code: /SQLITE_(READONLY|IOERR)/,
  async begin({ folder }) {
    await run(['chattr', '-R', '+i', folder]);
    return () => run(['chattr', '-R', '-i', folder]);
  },
};

const diskFull: Fault<Scene> = {
  name: 'its disk is full',
  shows: outage,
  code: /SQLITE_FULL/,
  async begin({ folder }) {
    const filler = join(folder, 'filler');
    await run(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=4096']).catch(() => {});
    return () => run(['rm', filler]);
  },
};

describe('faults of SQLite under load', () => {
  const scene = {} as Scene;
  const parts = new AsyncDisposableStack();
  beforeAll(() => setUp(scene, parts), 60_000);
  afterAll(() => parts.disposeAsync());
  // Only root can make a file that nobody may change.
  for (const fault of isRoot ? [...faults, immutable] : faults) testFault(scene, fault);
});

describe.if(isRoot)('faults of a disk that only SQLite is on', () => {
  const scene = {} as Scene;
  const parts = new AsyncDisposableStack();
  beforeAll(() => setUp(scene, parts, mountDisk), 60_000);
  afterAll(() => parts.disposeAsync());
  testFault(scene, diskFull);
});

async function setUp(
  scene: Scene,
  parts: AsyncDisposableStack,
  prepare: (folder: string, parts: AsyncDisposableStack) => Promise<void> = async () => {},
): Promise<void> {
  scene.folder = parts.use(temporaryFolder()).path;
  await prepare(scene.folder, parts);
  scene.path = join(scene.folder, 'test.sqlite');
  scene.service = parts.use(
    await startServiceProcess({
      dataDir: parts.use(temporaryFolder()).path,
      databaseUrl: `sqlite:${scene.path}`,
      environment: { BUFFER_MAX_BUFFER_SIZE: '100', BUFFER_FLUSH_INTERVAL: '0.5' },
    }),
  );
  scene.api = new Api(scene.service.url);
  scene.oracle = new Oracle();
  scene.load = new Load(scene.oracle, { random: seededRandom(seed) });
  await scene.oracle.check(scene.api);
}

/** A small disk in memory; the write-ahead log alone takes 4 MiB. */
async function mountDisk(folder: string, parts: AsyncDisposableStack): Promise<void> {
  await run(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder]);
  parts.defer(() => run(['umount', folder]));
}

function overwrite(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
}
