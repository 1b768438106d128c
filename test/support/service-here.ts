import { loadConfig } from '../../src/config/load.ts';
import { type Service, startService } from '../../src/start.ts';
import type { ManualClock } from './manual-clock.ts';

interface LogLine {
  message: string;
  properties: Readonly<Record<string, unknown>>;
}

export interface ServiceHere extends AsyncDisposable, Service {
  /** What it has logged so far. */
  log: readonly LogLine[];
}

/** Starts the service in this process, on a clock that the test moves; `await using` stops it at the end. */
export async function startServiceHere(
  environment: Readonly<Record<string, string>>,
  clock: ManualClock,
): Promise<ServiceHere> {
  const log: LogLine[] = [];
  const write = (message: string, properties = {}): void => void log.push({ message, properties });
  const service = await startService(loadConfig({ flags: {}, environment: { PORT: '0', ...environment } }), {
    clock,
    logger: { debug: write, info: write, warn: write, error: write },
  });
  return { ...service, log, [Symbol.asyncDispose]: async () => void (await service.stop()) };
}
