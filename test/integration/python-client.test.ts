import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/**
 * The Python client that the API's documentation prints (§10.1 of the translation API), with the four usage
 * examples of its §10.2, against a running service.
 */

const scripts = join(import.meta.dir, 'python');
const environmentFolder = join(import.meta.dir, '../../node_modules/.cache/python-client');
const httpxVersion = '0.28.1';
const pipTimeLimitSeconds = 10;
const exampleTasks = 100;

test('client.py is the published client, byte for byte', async () => {
  const bytes = await Bun.file(join(scripts, 'client.py')).bytes();
  expect(new Bun.CryptoHasher('sha256').update(bytes).digest('hex')).toBe(
    'f0f9a67d99c4d42a31b2d92ef36c3b0be37975fa61fb4ef9fdb223b218f9aae9',
  );
});

const python = await pythonWithHttpx();

if (python !== undefined) {
  describe('the published Python client', () => {
    test('with its session sent first: all four examples work, and every task is restored', async () => {
      const steps = await runExamples(python, ['session-first']);
      expect(steps.send_session).toMatchObject({
        log: ['INFO: Persisted 1 sessions', expect.stringContaining('Server flushed')],
        sessions_in_client: 0,
        result: { status: 'flushed', sessions_written: 1, tasks_written: 0 },
      });
      expect(steps.persist_tasks).toMatchObject({ log: ['INFO: Persisted 100 tasks'], tasks_in_client: 0 });
      expect(steps.flush_all?.result).toMatchObject({ sessions_written: 0, tasks_written: exampleTasks });
      expectIncompleteSession(steps);
      expectRestored(steps, exampleTasks);
      expect(steps.query_session).toMatchObject({ log: [], result: { total_tasks: 1000 } });
      expect(steps.query_unknown_session).toMatchObject({
        log: [expect.stringContaining("Client error '404 Not Found'")],
        result: null,
      });
    });

    test('as printed, tasks before their session: they are refused, the client warns, and no task is stored', async () => {
      const steps = await runExamples(python);
      // One session is fewer than the hundred that the client sends at once: nothing has gone out yet.
      expect(steps.persist_session).toMatchObject({ log: [], sessions_in_client: 1 });
      expect(steps.persist_tasks).toMatchObject({
        log: [
          expect.stringContaining(
            "WARNING: Failed to persist tasks: Client error '422 Unprocessable Entity'",
          ),
        ],
        sessions_in_client: 1,
        tasks_in_client: 0,
      });
      expect(steps.flush_all).toMatchObject({
        log: ['INFO: Persisted 1 sessions', expect.stringContaining('Server flushed')],
        sessions_in_client: 0,
        result: { status: 'flushed', sessions_written: 1, tasks_written: 0 },
      });
      expectIncompleteSession(steps);
      expectRestored(steps, 0);
    });

    test('as printed, where tasks may wait for their session: all four examples work, and every task is restored', async () => {
      const steps = await runExamples(python, [], { BUFFER_UNKNOWN_SESSION: 'hold' });
      expect(steps.persist_session).toMatchObject({ log: [], sessions_in_client: 1 });
      expect(steps.persist_tasks).toMatchObject({ log: ['INFO: Persisted 100 tasks'], tasks_in_client: 0 });
      expect(steps.flush_all?.result).toMatchObject({ sessions_written: 1, tasks_written: exampleTasks });
      expectIncompleteSession(steps);
      expectRestored(steps, exampleTasks);
    });
  });
}

/** What a step of examples.py did. */
interface Step {
  log: string[];
  sessions_in_client: number;
  tasks_in_client: number;
  result: unknown;
}

type Steps = Record<string, Step>;

/** Runs the examples against a service of their own. */
async function runExamples(
  program: string,
  options: string[] = [],
  environment: Record<string, string> = {},
): Promise<Steps> {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path, environment });
  const { stdout, stderr, exitCode } = await run(
    [program, join(scripts, 'examples.py'), service.url, ...options],
    { PYTHONDONTWRITEBYTECODE: '1' },
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout) as Steps;
}

function expectIncompleteSession(steps: Steps): void {
  expect(steps.get_incomplete_sessions).toMatchObject({
    log: [],
    result: [{ session_id: '550e8400-e29b-41d4-a716-446655440000', status: 'processing', total_tasks: 1000 }],
  });
}

function expectRestored(steps: Steps, count: number): void {
  const { log, result } = steps.restore_session ?? {};
  const { tasks, tasks_count } = result as { tasks: { task_id: string }[]; tasks_count: number };
  expect(log).toEqual([]);
  expect(tasks_count).toBe(count);
  expect(new Set(tasks.map(({ task_id }) => task_id))).toEqual(
    new Set(Array.from({ length: count }, (_, index) => `task_${index}`)),
  );
}

/**
 * A Python that has httpx: the system's, with Debian's package (installed here when we are root), or else a virtual
 * environment of our own with the package from PyPI. Undefined, said loudly, where neither can be had; with CI set
 * that fails the run.
 */
async function pythonWithHttpx(): Promise<string | undefined> {
  const ownPython = join(environmentFolder, 'bin/python');
  for (const candidate of ['/usr/bin/python3', Bun.which('python3'), ownPython]) {
    if (candidate !== null && (await importsHttpx(candidate))) return candidate;
  }
  const failures: string[] = [];
  for (const install of [installDebianPackage, makeEnvironment]) {
    const installed = await install().catch((error: unknown) => {
      failures.push(error instanceof Error ? error.message : String(error));
      return undefined;
    });
    if (installed !== undefined && (await importsHttpx(installed))) return installed;
  }
  const message = `ALL TESTS OF THE PYTHON CLIENT ARE LEFT OUT: no Python with httpx. Install Debian's package python3-httpx.\n${failures.join('\n')}`;
  if (process.env.CI === 'true') throw new Error(message);
  console.error(`\n*** ${message}\n`);
  return undefined;
}

async function importsHttpx(program: string): Promise<boolean> {
  return (await run([program, '-c', 'import httpx'])).exitCode === 0;
}

async function installDebianPackage(): Promise<string> {
  if (process.getuid?.() !== 0 || Bun.which('apt-get') === null) {
    throw new Error('Only root on Debian can install python3-httpx here.');
  }
  console.error('Installing Debian’s package python3-httpx for the tests …');
  const patience = [
    '-o',
    'DPkg::Lock::Timeout=120',
    '-o',
    'Acquire::Retries=1',
    '-o',
    'Acquire::http::Timeout=15',
  ];
  const environment = { DEBIAN_FRONTEND: 'noninteractive' };
  await run(['apt-get', 'update', '-qq', ...patience], environment);
  await mustRun(
    ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...patience, 'python3-httpx'],
    environment,
  );
  return '/usr/bin/python3';
}

async function makeEnvironment(): Promise<string> {
  const base = Bun.which('python3');
  if (base === null) throw new Error('There is no python3.');
  console.error(`Installing httpx ${httpxVersion} from PyPI for the tests …`);
  await mustRun([base, '-m', 'venv', '--clear', environmentFolder]);
  const program = join(environmentFolder, 'bin/python');
  const impatience = ['--timeout', String(pipTimeLimitSeconds), '--retries', '0'];
  await mustRun([program, '-m', 'pip', 'install', '--quiet', ...impatience, `httpx==${httpxVersion}`]);
  return program;
}

async function mustRun(command: string[], environment: Record<string, string> = {}): Promise<void> {
  const { exitCode, stderr } = await run(command, environment);
  if (exitCode !== 0) throw new Error(`${command.join(' ')} failed:\n${stderr}`);
}

async function run(command: string[], environment: Record<string, string> = {}) {
  try {
    const child = Bun.spawn(command, {
      env: { ...process.env, ...environment },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { stdout, stderr, exitCode: await child.exited };
  } catch (error) {
    return { stdout: '', stderr: String(error), exitCode: 127 };
  }
}
