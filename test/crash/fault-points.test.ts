import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { Api } from '../support/api.ts';
import {
  type FaultPoint,
  journalSteps,
  moments,
  printFaultPoint,
  storageSteps,
} from '../support/fault-point.ts';
import { seededRandom } from '../support/game-session.ts';
import { Load } from '../support/load.ts';
import { isLongForm, seed } from '../support/long-form.ts';
import { Oracle } from '../support/oracle.ts';
import {
  type ServiceProcess,
  type ServiceSettings,
  startServiceProcess,
} from '../support/service-process.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const killedService = [process.execPath, join(import.meta.dir, '../support/killed-service.ts')];
const random = seededRandom(seed);

for (const storage of storages) {
  describe(`a process that is killed at one step of its work, on ${storage.name}`, () => {
    test('loses nothing that it acknowledged, and brings nothing back that it deleted', async () => {
      await using database = await storage.create();
      using folder = temporaryFolder();
      const oracle = new Oracle();
      const load = new Load(oracle, { random, writers: 2, deletes: true });
      const settings = (point: FaultPoint): ServiceSettings => ({
        dataDir: folder.path,
        databaseUrl: database.url,
        command: killedService,
        environment: {
          KILL_AT: printFaultPoint(point),
          KILL_SEED: String(seed + point.nth),
          BUFFER_MAX_BUFFER_SIZE: '50',
          JOURNAL_SEGMENT_BYTES_MAX: '16384',
        },
      });
      for (const point of pointsOf(storage.name)) {
        await using service = await startServiceProcess(settings(point));
        const api = new Api(service.url);
        await oracle.check(api);
        service.signal('SIGUSR2');
        load.start(api);
        expect(await endOf(service, point)).toBe('SIGKILL');
        await load.ended;
      }
      await using service = await startServiceProcess({ dataDir: folder.path, databaseUrl: database.url });
      await oracle.check(new Api(service.url));
      expect(load.refusals).toEqual([]);
    }, 1_800_000);
  });
}

const everyPoint = (steps: readonly FaultPoint['step'][]): FaultPoint[] =>
  steps.flatMap((step) => moments.flatMap((moment) => [1, 2, 3, 5, 8].map((nth) => ({ step, moment, nth }))));

const once = (step: FaultPoint['step'], moment = pick(moments)): FaultPoint => ({
  step,
  moment,
  nth: 1 + Math.floor(random() * 3),
});

/** The short form tries each step of the journal on SQLite only. */
function pointsOf(storageName: string): FaultPoint[] {
  const onServer = storageName !== 'sqlite';
  if (isLongForm)
    return everyPoint([...journalSteps, ...storageSteps, ...(onServer ? ['commit' as const] : [])]);
  const ofStorage = storageSteps.map((step) => once(step));
  if (onServer) return [...ofStorage, ...moments.map((moment) => once('commit', moment))];
  const ofJournal = journalSteps.flatMap((step) => [once(step, 'before'), once(step, 'after')]);
  return [...ofStorage, ...ofJournal, once('append', 'within')];
}

function pick<T>(from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T;
}

async function endOf(service: ServiceProcess, point: FaultPoint): Promise<number | string> {
  let ended: number | string | undefined;
  void service.exited.then((code) => {
    ended = code;
  });
  await waitUntil(`the process is killed at ${printFaultPoint(point)}`, () => ended !== undefined);
  return ended ?? '';
}
