import { serve } from '../../src/cli/serve.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Intake } from '../../src/engine/intake.ts';
import { type DurableFiles, systemFiles } from '../../src/platform/durable-files.ts';
import { startService } from '../../src/start.ts';
import { MysqlBackend } from '../../src/storage/mysql/backend.ts';
import { LentConnection } from '../../src/storage/mysql/lent-connection.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { parseFaultPoint } from './fault-point.ts';
import { seededRandom } from './game-session.ts';

/**
 * The service, which kills itself at one step of its work: KILL_AT=sync:before:3 is right before its third sync,
 * counted from the start with KILL_FROM=start, else from the signal SIGUSR2 on. The steps are in `fault-point.ts`.
 */
const point = parseFaultPoint(process.env.KILL_AT ?? '');
const random = seededRandom(Number(process.env.KILL_SEED ?? 1));
let armed = process.env.KILL_FROM === 'start';
let calls = 0;
process.on('SIGUSR2', () => {
  armed = true;
});

/** Does a step, unless the process has to die before it, in the middle of it, or behind it. */
async function perform<T>(step: string, action: () => Promise<T>, part = startOf(action)): Promise<T> {
  if (armed && step === point.step) calls += 1;
  else return await action();
  if (calls !== point.nth) return await action();
  if (point.moment === 'before') die();
  if (point.moment === 'within') {
    await part();
    die();
  }
  const value = await action();
  // The answer to a request has left when the timers run.
  if (step === 'ack') setTimeout(die, 0);
  else die();
  return value;
}

/** Begins something, and does not wait for its end. */
function startOf(action: () => Promise<unknown>): () => Promise<void> {
  return async () => {
    void action();
    await Bun.sleep(random() * 3);
  };
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('The process was killed.');
}

/** Makes a method of a class a step. */
function makeStep<Name extends string>(
  type: { prototype: Record<Name, (...args: never[]) => Promise<unknown>> },
  method: Name,
  stepOf: (...args: unknown[]) => string | undefined,
): void {
  const original = type.prototype[method];
  type.prototype[method] = function (this: unknown, ...args: never[]) {
    const action = (): Promise<unknown> => original.apply(this, args);
    const step = stepOf(...args);
    return step === undefined ? action() : perform(step, action);
  };
}

makeStep(Intake, 'accept', () => 'ack');
for (const backend of [SqliteBackend, MysqlBackend]) {
  makeStep(backend, 'write', () => 'store');
  makeStep(backend, 'markDeleted', () => 'mark deleted');
  makeStep(backend, 'remove', () => 'delete');
}
makeStep(LentConnection, 'query', (options) =>
  (options as { sql?: string }).sql === 'COMMIT' ? 'commit' : undefined,
);

const files: DurableFiles = {
  ...systemFiles,
  async createAppendFile(path) {
    const file = await perform('create', () => systemFiles.createAppendFile(path));
    return {
      append: (buffers) => {
        const bytes = Buffer.concat([...buffers]);
        const part = bytes.subarray(0, Math.floor(random() * bytes.length));
        return perform(
          'append',
          () => file.append(buffers),
          () => file.append([part]),
        );
      },
      sync: () => perform('sync', () => file.sync()),
      close: () => file.close(),
    };
  },
  overwrite: (path, position, bytes) =>
    perform('checkpoint', () => systemFiles.overwrite(path, position, bytes)),
  truncate: (path, bytes) => perform('truncate', () => systemFiles.truncate(path, bytes)),
  remove: (path) => perform('remove', () => systemFiles.remove(path)),
  syncFolder: (path) => perform('sync folder', () => systemFiles.syncFolder(path)),
};

process.exit(
  await serve(loadConfig({ flags: {}, environment: process.env }), (config, { logger }) =>
    startService(config, { logger, files }),
  ),
);
