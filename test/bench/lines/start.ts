import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { startServiceProcess } from '../../support/service-process.ts';
import { bareCommand, runBare } from '../bare-process.ts';
import type { Bench } from '../bench.ts';
import { parkedFlusher } from '../bench.ts';
import type { Family, Measurement } from '../line.ts';
import { BatchRequests, sessionRequest } from '../load/batches.ts';
import { withConnections } from '../load/http-connection.ts';
import { median } from '../load/latencies.ts';
import { sendAll } from '../load/load.ts';

const batchRecords = 500;

export const start: Family = {
  name: 'start',
  measures:
    'The time from the start of the process to its first answer to GET /: with an empty data folder; and with a journal of tasks that were all accepted and never flushed, after a kill -9.',
  limit:
    'Empty: bare/hello.ts, the runtime with a Bun.serve. Replay: bare/read-journal.ts, which reads the same files and adds up a checksum.',
  storages: ['sqlite'],
  run: async (bench) => [await emptyStart(bench), await replayingStart(bench)],
};

async function emptyStart(bench: Bench): Promise<Measurement> {
  const times = { service: [] as number[], bare: [] as number[] };
  for (let round = 0; round < bench.sizes.starts; round += 1) {
    times.bare.push(await startMs((port) => ({ command: bareCommand('hello', String(port)), env: {} })));
    times.service.push(await startMs((port) => serviceAt(bench, bench.temporaryFolder(), port)));
  }
  return {
    name: 'start.empty',
    what: 'start to first answer, empty',
    value: median(times.service),
    unit: 'ms',
    limit: { value: median(times.bare), what: 'bare/hello.ts' },
    targets: [{ of: 'value', atMost: 150 }],
    samples: bench.sizes.starts,
  };
}

async function replayingStart(bench: Bench): Promise<Measurement> {
  const { replayRecords } = bench.sizes;
  const dataDir = bench.temporaryFolder();
  await writeJournal(bench, dataDir);
  const { seconds, bytes } = await runBare('read-journal', join(dataDir, 'journal'));
  const serviceMs = await startMs((port) => serviceAt(bench, dataDir, port));
  return {
    name: 'start.replay',
    what: `start to first answer with ${replayRecords} records to replay`,
    value: serviceMs,
    unit: 'ms',
    limit: { value: (seconds ?? Number.NaN) * 1000, what: 'bare/read-journal.ts' },
    targets: [{ of: 'value', atMost: 10_000 }],
    samples: 1,
    note: `a journal of ${Math.round((bytes ?? 0) / 1e6)} MB`,
  };
}

/** Fills a journal by way of the service, which has no storage to flush to, and kills it. */
async function writeJournal(bench: Bench, dataDir: string): Promise<void> {
  const service = await startServiceProcess({
    dataDir,
    databaseUrl: 'mysql://nobody@127.0.0.1:1/none',
    environment: { ...parkedFlusher, JOURNAL_SYNC: 'off' },
    command: [bench.binary],
  });
  try {
    const batch = new BatchRequests(batchRecords);
    await withConnections(service.url, 1, async ([connection]) => {
      await connection?.send(sessionRequest());
    });
    await sendAll(service.url, {
      connections: 4,
      count: bench.sizes.replayRecords / batchRecords,
      requests: (index) => batch.numbered(index),
    });
  } finally {
    await service.kill('SIGKILL');
  }
}

interface Start {
  command: string[];
  env: Record<string, string>;
}

function serviceAt(bench: Bench, dataDir: string, port: number): Start {
  return { command: [bench.binary, 'serve'], env: { PORT: String(port), DATA_DIR: dataDir } };
}

/** Starts a server, asks until it answers, and kills it. */
async function startMs(startAt: (port: number) => Start): Promise<number> {
  const port = freePort();
  const { command, env } = startAt(port);
  const startedMs = performance.now();
  const child = Bun.spawn(command, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdout: 'ignore',
    stderr: 'ignore',
  });
  try {
    for (;;) {
      const answers = await fetch(`http://127.0.0.1:${port}/`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (answers) return performance.now() - startedMs;
      if (child.exitCode !== null) throw new Error(`${command[0]} ended with ${child.exitCode} at its start`);
      await Bun.sleep(1);
    }
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}
