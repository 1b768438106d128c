import { ConfigError } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { describeError } from '../platform/errors.ts';
import type { ClosedPhase } from '../platform/lifecycle.ts';
import { createLogger, type Logger } from '../platform/logger.ts';

/** The exit code of a process that a signal ended: 128 and the signal's number. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof exitCodes;

/** Ctrl-C under npm arrives twice, from the terminal and from npm: a repeat within this time is an echo. */
const echoMsMax = 500;

/** Starts the service; stopping it reports how each part closed. */
export type StartService = (
  config: Config,
  parts: { logger: Logger },
) => Promise<{ stop(): Promise<ClosedPhase[]> }>;

/**
 * Serves until a signal: the first one stops the service in order, a second one ends it at once.
 * @returns the exit code.
 */
export async function serve(config: Config, start: StartService): Promise<number> {
  const logger = createLogger(config.log.level, config.log.format);
  const stopping = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<number>();
  let firstSignalMs: number | undefined;
  const onSignal = (signal: StopSignal): void => {
    const nowMs = performance.now();
    if (firstSignalMs !== undefined && nowMs - firstSignalMs < echoMsMax) return;
    if (firstSignalMs === undefined) {
      firstSignalMs = nowMs;
      logger.info('Stopping: finishing requests, then flushing; a second signal ends at once', { signal });
      stopping.resolve();
    } else {
      logger.warn('Ending at once; what is not flushed stays journaled', { signal });
      ended.resolve(exitCodes[signal]);
    }
  };
  for (const signal of Object.keys(exitCodes) as StopSignal[]) process.on(signal, () => onSignal(signal));

  try {
    const run = start(config, { logger }).then(async (service) => {
      await stopping.promise;
      const unclean = (await service.stop()).filter(({ outcome }) => outcome !== 'closed');
      for (const { name, outcome, error } of unclean) {
        logger.error('A part did not close cleanly', { part: name, outcome, error: describeError(error) });
      }
      logger.info('Stopped');
      return unclean.length === 0 ? 0 : 1;
    });
    return await Promise.race([run, ended.promise]);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    logger.error('The service cannot start', { error: describeError(error) });
    return 1;
  }
}
