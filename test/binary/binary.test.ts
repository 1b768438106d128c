import { beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { jsonLines, paste, withoutVarying } from '../support/printed-session.ts';
import { readmeBlock } from '../support/readme.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = join(import.meta.dir, '../..');
const built = join(root, 'dist/persistence-service');

describe('the binary', () => {
  beforeAll(() => {
    const build = Bun.spawnSync([process.execPath, 'scripts/build.ts'], {
      cwd: root,
      stdout: 'ignore',
      stderr: 'pipe',
    });
    if (build.exitCode !== 0) throw new Error(`The build failed:\n${build.stderr.toString()}`);
  }, 120_000);

  test('needs nothing beside it: no runtime on the PATH, no environment, an empty folder', () => {
    using folder = folderWithBinary();
    const run = (...args: string[]): { exitCode: number; output: string } => {
      const { exitCode, stdout, stderr } = Bun.spawnSync(
        [join(folder.path, 'persistence-service'), ...args],
        { cwd: folder.path, env: {} },
      );
      return { exitCode, output: `${stdout.toString()}${stderr.toString()}` };
    };
    expect(run('--version')).toEqual({ exitCode: 0, output: `${manifest.version}\n` });
    expect(run('--help').output).toContain('Usage: persistence-service');
    expect(run('no-such-command').exitCode).toBe(2);
    expect(readdirSync(folder.path)).toEqual(['persistence-service']);
    expect(run('migrate')).toEqual({ exitCode: 0, output: 'sqlite (sqlite): the tables are up to date\n' });
    expect(readdirSync(folder.path).sort()).toEqual(['data', 'persistence-service']);
  });

  test('serves the OpenAPI document and both of its pages, with all that they load', async () => {
    using folder = folderWithBinary();
    await using service = await startBinary(folder.path, undefined);
    const get = async (path: string): Promise<string> => {
      const answer = await fetch(service.url + path);
      expect({ path, status: answer.status }).toEqual({ path, status: 200 });
      return await answer.text();
    };
    const served = JSON.parse(await get('/openapi.json')) as { info: { version: string } };
    const committed = JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8')) as typeof served;
    expect(served).toEqual({ ...committed, info: { ...committed.info, version: manifest.version } });
    const loaded: string[] = [];
    for (const page of ['/docs', '/redoc']) {
      for (const [, path = ''] of (await get(page)).matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
        const bytes = (await get(path)).length;
        loaded.push(bytes > 100_000 ? `${path}: large` : path);
      }
    }
    expect(loaded).toEqual([
      '/docs/swagger-ui.css: large',
      '/docs/swagger-ui-bundle.js: large',
      '/docs/start.js',
      '/redoc/redoc.standalone.js: large',
      '/redoc/start.js',
    ]);
  });

  for (const storage of storages) {
    test(`does the first session of the README on ${storage.name}, and stops in order on SIGTERM`, async () => {
      await using database = await storage.create();
      using folder = folderWithBinary();
      await using service = await startBinary(
        folder.path,
        storage.name === 'sqlite' ? undefined : database.url,
      );
      const answers = jsonLines(await paste(readmeBlock('A first session', 'bash'), service.url));
      expect(answers).toMatchObject([
        { status: 'accepted', count: 1 },
        { status: 'accepted', count: 2 },
        { status: 'flushed', sessions_written: 1, tasks_written: 2 },
        { pending_tasks: 1, progress: 50 },
        { total: 2 },
        { count: 1 },
        { tasks_count: 1, restored_tasks_count: 1 },
      ]);
      const printed = jsonLines(readmeBlock('A first session', 'json'));
      expect(answers.map(withoutVarying)).toEqual(printed.map(withoutVarying));
      expect(await service.kill('SIGTERM')).toBe(0);
      expect(service.log()).toContain('"message":"Stopped"');
    });
  }
});

function folderWithBinary(): ReturnType<typeof temporaryFolder> {
  const folder = temporaryFolder();
  copyFileSync(built, join(folder.path, 'persistence-service'));
  return folder;
}

function startBinary(folder: string, databaseUrl: string | undefined): Promise<ServiceProcess> {
  return startServiceProcess({
    dataDir: join(folder, 'data'),
    command: [join(folder, 'persistence-service')],
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  });
}
