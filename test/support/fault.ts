import { expect, test } from 'bun:test';
import type { Api } from './api.ts';
import type { Load } from './load.ts';
import type { Oracle } from './oracle.ts';
import type { ServiceProcess } from './service-process.ts';
import { waitUntil } from './wait-until.ts';

export interface ServiceUnderLoad {
  service: ServiceProcess;
  oracle: Oracle;
  load: Load;
  api: Api;
}

export interface Fault<Scene extends ServiceUnderLoad> {
  name: string;
  /** What `/health` says meanwhile; undefined when storage goes on taking data. */
  shows?: { state: 'retrying' | 'paused'; last_error_class: string };
  /** What storage says: the log has it. */
  code?: RegExp;
  /** Brings it about, and returns what ends it. */
  begin(scene: Scene): Promise<() => Promise<void>>;
}

export const outage = { state: 'retrying', last_error_class: 'retry' } as const;
export const wrongSetup = { state: 'paused', last_error_class: 'pause' } as const;

interface Health {
  database: string;
  buffer: { total_count: number };
  flusher: { state: string; last_error_class?: string };
}

/** Defines the test of one fault; the scene is complete when it runs. */
export function testFault<Scene extends ServiceUnderLoad>(
  scene: Scene,
  { name, shows, code, begin }: Fault<Scene>,
): void {
  test(`${name}: batches are accepted, nothing is lost or quarantined, and it recovers by itself`, async () => {
    const { oracle, load, api, service } = scene;
    const health = async (): Promise<Health> => (await api.get<Health>('/health')).body;
    const logged = service.log().length;
    load.start(api);
    const end = await begin(scene);
    try {
      if (shows !== undefined) {
        await waitUntil(`the flusher is ${shows.state}`, async () => {
          const { state, last_error_class } = (await health()).flusher;
          return state === shows.state && last_error_class === shows.last_error_class;
        });
      }
      if (shows === undefined) expect((await api.flush()).status).toBe(200);
      if (code !== undefined) {
        await waitUntil(`${code} is logged`, () => code.test(service.log().slice(logged)));
      }
      const before = oracle.acknowledged;
      await waitUntil('batches are accepted meanwhile', () => oracle.acknowledged >= before + 10);
    } finally {
      await end();
    }
    await load.stop();
    expect(load.refusals).toEqual([]);
    await waitUntil('it has recovered by itself', async () => {
      const { database, buffer, flusher } = await health();
      return database === 'healthy' && buffer.total_count === 0 && flusher.state === 'idle';
    });
    await oracle.check(api);
  }, 90_000);
}
