import { afterAll, beforeAll, describe } from 'bun:test';
import { type Connection, createConnection } from 'mysql2/promise';
import { Api } from '../support/api.ts';
import { type Fault, outage, type ServiceUnderLoad, testFault, wrongSetup } from '../support/fault.ts';
import { seededRandom } from '../support/game-session.ts';
import { Load } from '../support/load.ts';
import { seed } from '../support/long-form.ts';
import { type Mariadb, startMariadb } from '../support/mariadb.ts';
import { Oracle } from '../support/oracle.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { onServer } from '../support/storages.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

/** What a fault can be done to. */
interface Scene extends ServiceUnderLoad {
  proxy: TcpProxy;
  /** Connections to the service's database that the service knows nothing of. */
  connect(): Promise<Connection>;
}

/** A server of the test's own can be stopped and set up as the test likes. */
interface OwnScene extends Scene {
  server: Mariadb;
  /** Connects as the service does. */
  connectAsService(): Promise<Connection>;
}

const lastTask = 'session-2-task-9';
const firstTask = 'session-0-task-0';
const serviceUser = "app@'localhost'";
const privileges = 'CREATE, ALTER, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE';

const anywhere: Fault<Scene>[] = [
  {
    name: 'connections are reset, and new ones too',
    shows: outage,
    async begin({ proxy }) {
      proxy.cut();
      return async () => proxy.mend();
    },
  },
  {
    name: 'the connection is lost after a COMMIT was sent',
    shows: outage,
    async begin({ proxy }) {
      await proxy.cutAfter('COMMIT');
      proxy.cut();
      return async () => proxy.mend();
    },
  },
  {
    name: 'nothing passes on connections that stay open',
    shows: outage,
    code: /PROTOCOL_SEQUENCE_TIMEOUT/,
    async begin({ proxy }) {
      proxy.stall();
      return async () => proxy.mend();
    },
  },
  {
    name: 'another connection locks a row for longer than a statement may wait',
    shows: outage,
    code: /ER_LOCK_WAIT_TIMEOUT|PROTOCOL_SEQUENCE_TIMEOUT/,
    async begin({ connect }) {
      const other = await connect();
      await other.query('START TRANSACTION');
      await lockTask(other, lastTask);
      return async () => await other.end();
    },
  },
  {
    name: 'another connection locks rows in the other order: a deadlock',
    shows: outage,
    code: /ER_LOCK_DEADLOCK/,
    async begin({ connect, service }) {
      const other = await connect();
      await other.query('CREATE TABLE heavy (id INT PRIMARY KEY)');
      await waitUntil('the service is the one that has to give way', async () => {
        await other.query('START TRANSACTION');
        // The server ends the transaction that has changed less.
        await other.query(
          `INSERT INTO heavy VALUES ${Array.from({ length: 3000 }, (_, id) => `(${id})`).join()}`,
        );
        await lockTask(other, lastTask);
        await Bun.sleep(100);
        const locked = await lockTask(other, firstTask).then(
          () => true,
          () => false,
        );
        if (locked && service.log().includes('ER_LOCK_DEADLOCK')) return true;
        await other.query('ROLLBACK');
        return false;
      });
      return async () => {
        await other.query('ROLLBACK');
        await other.query('DROP TABLE heavy');
        await other.end();
      };
    },
  },
  {
    name: 'a table is renamed',
    shows: wrongSetup,
    code: /ER_NO_SUCH_TABLE/,
    async begin({ connect }) {
      const other = await connect();
      await other.query('RENAME TABLE translation_tasks TO renamed');
      return async () => {
        await other.query('RENAME TABLE renamed TO translation_tasks');
        await other.end();
      };
    },
  },
];

const onOwnServer: Fault<OwnScene>[] = [
  {
    name: 'the server is killed and started again',
    shows: outage,
    async begin({ server }) {
      server.signal('SIGKILL');
      return () => server.restart();
    },
  },
  {
    name: 'the server stops for longer than a statement may take, and goes on',
    shows: outage,
    code: /PROTOCOL_SEQUENCE_TIMEOUT/,
    async begin({ server }) {
      server.signal('SIGSTOP');
      return async () => server.signal('SIGCONT');
    },
  },
  {
    name: 'the server is read-only',
    shows: outage,
    code: /ER_OPTION_PREVENTS_STATEMENT/,
    begin: (scene) => changed(scene, 'SET GLOBAL read_only = 1', 'SET GLOBAL read_only = 0'),
  },
  {
    name: 'the server takes smaller packets than before',
    async begin(scene) {
      const undo = await changed(
        scene,
        'SET GLOBAL max_allowed_packet = 4096',
        'SET GLOBAL max_allowed_packet = 16777216',
      );
      await reconnect(scene);
      return async () => {
        await undo();
        await reconnect(scene);
      };
    },
  },
  {
    name: 'the password is changed',
    shows: wrongSetup,
    code: /ER_ACCESS_DENIED_ERROR/,
    async begin(scene) {
      const identified = `ALTER USER ${serviceUser} IDENTIFIED BY`;
      const undo = await changed(scene, `${identified} 'another'`, `${identified} 'secret'`);
      await reconnect(scene);
      return undo;
    },
  },
  {
    name: 'a privilege is taken away',
    shows: wrongSetup,
    code: /ER_TABLEACCESS_DENIED_ERROR/,
    async begin(scene) {
      const undo = await changed(
        scene,
        `REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${serviceUser}`,
        `GRANT ${privileges} ON *.* TO ${serviceUser}`,
      );
      const admin = await scene.connect();
      await admin.query(`GRANT SELECT ON *.* TO ${serviceUser}`);
      await admin.end();
      await reconnect(scene);
      return undo;
    },
  },
  {
    name: 'others have taken every connection',
    shows: outage,
    code: /ER_CON_COUNT_ERROR/,
    async begin(scene) {
      const undo = await changed(
        scene,
        'SET GLOBAL max_connections = 10',
        'SET GLOBAL max_connections = 151',
      );
      scene.proxy.cut();
      const others: Connection[] = [];
      await waitUntil('no connection is left', async () => {
        const other = await scene.connectAsService().catch(() => undefined);
        if (other !== undefined) others.push(other);
        return other === undefined;
      });
      scene.proxy.mend();
      return async () => {
        for (const other of others) await other.end();
        await undo();
      };
    },
  },
];

const mysql9Url = process.env.TEST_MYSQL9_URL ?? '';

describe('faults of MariaDB under load', () => {
  const scene = {} as OwnScene;
  const parts = new AsyncDisposableStack();
  beforeAll(async () => {
    scene.server = await startMariadb();
    const { url } = scene.server;
    const admin = await createConnection(url);
    await admin.query('SET GLOBAL innodb_lock_wait_timeout = 1');
    await admin.query(`CREATE USER ${serviceUser} IDENTIFIED BY 'secret'`);
    await admin.query(`GRANT ${privileges} ON *.* TO ${serviceUser}`);
    await admin.end();
    const login = new URL(url);
    login.username = 'app';
    login.password = 'secret';
    scene.connectAsService = () => createConnection(login.href);
    await setUp(scene, parts, { name: 'MariaDB', url, login: login.href });
  }, 60_000);
  afterAll(() => parts.disposeAsync());
  for (const fault of [...anywhere, ...onOwnServer]) testFault(scene, fault);
});

describe.if(mysql9Url !== '')('faults of connections to MySQL 9 under load', () => {
  const scene = {} as Scene;
  const parts = new AsyncDisposableStack();
  beforeAll(() => setUp(scene, parts, { name: 'MySQL 9', url: mysql9Url, login: mysql9Url }), 60_000);
  afterAll(() => parts.disposeAsync());
  for (const fault of anywhere) testFault(scene, fault);
});

/** @param server `url` for the test, `login` for the service. */
async function setUp(
  scene: Scene,
  parts: AsyncDisposableStack,
  server: { name: string; url: string; login: string },
): Promise<void> {
  const folder = parts.use(temporaryFolder());
  const database = parts.use(await onServer(server.name, server.url).create());
  const { hostname, port, pathname } = new URL(database.url);
  scene.proxy = parts.use(await startTcpProxy({ host: hostname, port: Number(port) }));
  scene.connect = () => createConnection(database.url);
  const url = new URL(server.login);
  url.port = String(scene.proxy.port);
  url.pathname = pathname;
  scene.service = parts.use(
    await startServiceProcess({
      dataDir: folder.path,
      databaseUrl: url.href,
      environment: {
        BUFFER_MAX_BUFFER_SIZE: '100',
        BUFFER_FLUSH_INTERVAL: '0.5',
        DATABASE_STATEMENT_TIMEOUT_SECONDS: '2',
        DATABASE_POOL_SIZE: '4',
      },
    }),
  );
  scene.oracle = new Oracle();
  scene.load = new Load(scene.oracle, { random: seededRandom(seed), tasksPerWriter: 40 });
  scene.api = new Api(scene.service.url);
  scene.load.start(scene.api);
  await waitUntil('the first records are stored', async () => {
    const stored = await scene.api.get<{ total: number }>('/api/v1/translation/tasks?page_size=1');
    return stored.status === 200 && stored.body.total > 0;
  });
  await scene.load.stop();
}

async function lockTask(connection: Connection, id: string): Promise<void> {
  await connection.query('SELECT 1 FROM translation_tasks WHERE task_id = ? FOR UPDATE', [id]);
}

/** Changes the server, and returns what undoes it. */
async function changed({ connect }: Scene, change: string, undo: string): Promise<() => Promise<void>> {
  const admin = await connect();
  await admin.query(change);
  return async () => {
    await admin.query(undo);
    await admin.end();
  };
}

async function reconnect({ proxy }: Scene): Promise<void> {
  proxy.cut();
  proxy.mend();
}
