import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { waitUntil } from './wait-until.ts';

const main = join(import.meta.dir, '../../src/main.ts');

export interface ServiceProcess extends AsyncDisposable {
  url: string;
  pid: number;
  /** What it has logged so far. */
  log(): string;
  /** Resolves with the exit code, or with the signal's name when it was killed by one. */
  exited: Promise<number | string>;
  signal(name: NodeJS.Signals): void;
  /** Sends a signal and waits for the end; the exit code, or the signal's name when it was killed by it. */
  kill(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | string>;
}

export interface ServiceSettings {
  dataDir: string;
  /** DATABASE_URL; the embedded default when it is missing. */
  databaseUrl?: string;
  environment?: Record<string, string>;
  /** What to run instead of the source tree, such as the binary. */
  command?: readonly string[];
}

/** Starts the service in a process of its own and waits until it answers; `await using` kills it at the end. */
export async function startServiceProcess(settings: ServiceSettings): Promise<ServiceProcess> {
  const port = freePort();
  const child = Bun.spawn([...(settings.command ?? [process.execPath, main]), 'serve'], {
    env: {
      PATH: process.env.PATH ?? '',
      PORT: String(port),
      DATA_DIR: settings.dataDir,
      ...(settings.databaseUrl === undefined ? {} : { DATABASE_URL: settings.databaseUrl }),
      ...settings.environment,
    },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let log = '';
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) log += decoder.decode(bytes, { stream: true });
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const url = `http://127.0.0.1:${port}`;
  await waitUntil('the service answers', async () => {
    const ended = child.exitCode ?? child.signalCode;
    if (ended !== null) throw new Error(`The service ended at its start (${ended}):\n${log}`);
    return await fetch(url).then(
      () => true,
      () => false,
    );
  });
  const exited = Promise.all([child.exited, collected]).then(
    () => child.exitCode ?? child.signalCode ?? 'unknown',
  );
  return {
    url,
    pid: child.pid,
    log: () => log,
    exited,
    signal: (name) => child.kill(name),
    async kill(signal) {
      child.kill(signal);
      return await exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}
