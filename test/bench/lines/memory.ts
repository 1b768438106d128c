import type { Bench, StorageKind } from '../bench.ts';
import type { Family, Measurement } from '../line.ts';
import { fullLoad } from '../load/load.ts';
import { peakDuring, residentMb } from '../process-usage.ts';
import { connections, prepare, repeatedBatches } from './accept-durable.ts';

const idleSeconds = 1;

export const memory: Family = {
  name: 'memory',
  measures:
    'Resident memory of the service with the default settings, embedded database included: a second after its start, and the most of it under the load of accept-durable. Flushes run meanwhile, and the backlog outgrows what the buffer may hold.',
  limit: 'None: the targets are absolute.',
  storages: ['sqlite'],
  run: memoryUse,
};

async function memoryUse(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  await using database = await bench.database(storage);
  await using service = await bench.service(database.url, { JOURNAL_BYTES_MAX: '1000000000000' });
  await Bun.sleep(idleSeconds * 1000);
  const idleMb = residentMb(service.pid);
  await prepare(service.url);
  const seconds = bench.sizes.loadSeconds * bench.sizes.rounds;
  const loadedMb = await peakDuring(service.pid, () =>
    fullLoad(service.url, { connections, seconds, requests: repeatedBatches() }),
  );
  const line = (name: string, what: string, value: number, atMost: number): Measurement => ({
    name: `memory.${name}`,
    what: `RSS ${what}`,
    value,
    unit: 'MB',
    targets: [{ of: 'value', atMost }],
    ciTargets: [{ of: 'value', atMost: atMost * 1.5 }],
    samples: 1,
  });
  return [line('idle', 'idle', idleMb, 100), line('accept', 'under the accept load', loadedMb, 300)];
}
