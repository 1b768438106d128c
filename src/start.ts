import { join } from 'node:path';
import { type App, type AppParts, createApp } from './app.ts';
import { type BackendConfig, backendsOf } from './config/backends.ts';
import { ConfigError } from './config/load.ts';
import { redacted } from './config/redact.ts';
import type { Config } from './config/schema.ts';
import { Backlog } from './engine/backlog.ts';
import { Flusher } from './engine/flusher.ts';
import { Intake } from './engine/intake.ts';
import { Quarantine } from './engine/quarantine.ts';
import { WriteBuffer } from './engine/write-buffer.ts';
import { RequestLimit } from './http/request-limit.ts';
import { Journal, type JournalOptions } from './journal/journal.ts';
import { createMetrics, observeEngine, observeQuarantine } from './modules/system/gauges.ts';
import { Health } from './modules/system/health.ts';
import { QuarantineService } from './modules/system/quarantine.ts';
import { sessions, tasks, translationCollections } from './modules/translation/records.ts';
import { RecoveryLog } from './modules/translation/recovery.ts';
import { Removal } from './modules/translation/removal.ts';
import { TranslationService } from './modules/translation/service.ts';
import { Totals } from './modules/translation/totals.ts';
import { type Clock, systemClock, withTimeLimit } from './platform/clock.ts';
import { type DurableFiles, systemFiles } from './platform/durable-files.ts';
import { describeError } from './platform/errors.ts';
import { lockFolder } from './platform/file-lock.ts';
import { type ClosedPhase, Lifecycle } from './platform/lifecycle.ts';
import type { Logger } from './platform/logger.ts';
import { runOnSchedule } from './platform/schedule.ts';
import { serviceVersion } from './platform/version.ts';
import type { StorageBackend } from './storage/contract.ts';
import { StorageRegistry } from './storage/registry.ts';
import { SqliteBackend } from './storage/sqlite/backend.ts';

export interface Service {
  /** Where it listens. */
  url: string;
  /** Stops accepting, finishes requests, flushes with a deadline, and closes everything. */
  stop(): Promise<ClosedPhase[]>;
}

/** What a test may put in place of the real thing. */
export interface StartParts {
  logger: Logger;
  clock?: Clock;
  files?: DurableFiles;
  random?: () => number;
}

/** How long the start waits for storage; it serves without it, since accepting needs only the journal. */
const storageStartLimitMs = 10_000;
/** Limits of the closing phases that have no setting of their own. */
const requestsLimitMs = 5_000;
const closeLimitMs = 5_000;

/** Builds the service from its configuration, replays the journal, and listens. */
export async function startService(config: Config, given: StartParts): Promise<Service> {
  const { logger, clock = systemClock, files = systemFiles, random = Math.random } = given;
  const lifecycle = new Lifecycle(clock);
  const foundation = { config, logger, clock, files, random, lifecycle, startedAtMs: clock.nowMs() };
  try {
    const engine = await openEngine(foundation);
    const parts = appParts(foundation, engine);
    const app = createApp(parts);
    await engine.storageOpened;
    const service = listen(foundation, engine, app, parts.requestLimit);
    startSchedule(foundation, parts.removal);
    return service;
  } catch (error) {
    await lifecycle.close();
    throw error;
  }
}

/** What everything else is built on. */
interface Foundation extends Required<StartParts> {
  config: Config;
  lifecycle: Lifecycle;
  startedAtMs: number;
}

type Engine = Awaited<ReturnType<typeof openEngine>>;

/** Opens what a record passes through, from the data folder's lock to the flusher, which does not run yet. */
async function openEngine({ config, logger, clock, files, random, lifecycle }: Foundation) {
  const folder = config.service.data_dir;
  await files.makeFolder(folder);
  lifecycle.onClose('data folder lock', closeLimitMs, lockFolder(folder));

  const registry = await createStorage(config);
  lifecycle.onClose('storage', closeLimitMs, () => closeStorage(registry));
  // Storage has threads or a server of its own to open on: everything else is made ready meanwhile.
  const storageOpened = openStorage(registry, clock, logger);

  const journalParts = { files, clock, logger };
  const quarantine = await Quarantine.open(
    { folder: join(folder, 'quarantine'), recordsMax: config.quarantine.records_max },
    { ...journalParts, registry },
  );
  lifecycle.onClose('quarantine', closeLimitMs, () => quarantine.close());

  const { journal, report } = await Journal.open(journalOptions(config), journalParts);
  lifecycle.onClose('journal', closeLimitMs, () => journal.close());
  const buffer = new WriteBuffer(journal.checkpoint);
  const backlog = new Backlog({ journal, buffer, registry, bytesMax: config.buffer.bytes_max });
  await backlog.refill();
  const replay = { ...report, ...backlog.replayed, isBehind: backlog.isBehind };
  if (report.damagedRanges > 0 || report.lostFrames > 0) {
    logger.warn('The journal was replayed, and some of it was damaged', replay);
  } else if (report.frames > 0) logger.info('The journal was replayed', replay);

  const unknownParent = config.buffer.unknown_session;
  const flusher = new Flusher(
    {
      maxBufferSize: config.buffer.max_buffer_size,
      flushIntervalMs: config.buffer.flush_interval * 1000,
      journalHeadroomBytes: config.journal.bytes_max / 2,
      holdMsMax: unknownParent === 'hold' ? config.buffer.hold_seconds_max * 1000 : undefined,
    },
    { backlog, buffer, journal, registry, quarantine, clock, logger, random },
  );
  const intake = new Intake({ journal, backlog, buffer, flusher, registry, clock, unknownParent });
  return {
    registry,
    quarantine,
    backlog,
    buffer,
    journal,
    flusher,
    intake,
    storageOpened,
    replay: { ...report, finishedAtMs: clock.nowMs() },
  };
}

/** The services behind the routes. */
function appParts({ config, logger, clock, startedAtMs }: Foundation, engine: Engine): AppParts {
  const observed = {
    ...engine,
    clock,
    counted: { sessions: sessions.name, tasks: tasks.name },
    capacity: config.buffer.max_buffer_size,
    backlogMsMax: config.health.backlog_seconds_max * 1000,
    headroomBytes: Math.min(config.service.body_bytes_max, config.journal.bytes_max / 10),
    startedAtMs,
  };
  const metrics = createMetrics();
  const totals = new Totals(clock);
  observeEngine(metrics, observed);
  const quarantine = new QuarantineService({ ...engine, logger });
  observeQuarantine(metrics, engine.quarantine, quarantine);
  return {
    translation: new TranslationService({
      ...engine,
      clock,
      recovery: new RecoveryLog({ ...engine, clock }),
      totals,
      flushLimitMs: config.buffer.flush_timeout_seconds * 1000,
    }),
    removal: new Removal({
      ...engine,
      clock,
      logger,
      totals,
      retention: {
        completedDays: config.retention.completed_days,
        failedDays: config.retention.failed_days,
        deletedDays: config.retention.deleted_days,
        mode: config.retention.delete_mode,
      },
    }),
    health: new Health(observed),
    quarantine,
    statistics: observed,
    config: redacted(config),
    metrics,
    logger,
    bodyBytesMax: config.service.body_bytes_max,
    requestLimit: new RequestLimit({
      requestsMax: config.service.concurrent_requests_max,
      bytesMax: config.service.concurrent_bytes_max,
      bodyBytesMax: config.service.body_bytes_max,
    }),
  };
}

/** Takes requests, and starts the flusher. */
function listen(
  { config, logger, clock, lifecycle }: Foundation,
  engine: Engine,
  app: App,
  limit: RequestLimit,
): Service {
  const server = Bun.serve({
    hostname: config.service.host,
    port: config.service.port,
    // Larger bodies are refused by the application, which answers in JSON.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Longer than any answer is waited for, POST /flush included.
    idleTimeout: Math.max(60, Math.ceil(config.buffer.flush_timeout_seconds) + 10),
    development: false,
    // Two services that share a port would each take a part of the requests.
    reusePort: false,
    fetch: limit.counting(app.fetch),
    error(error) {
      logger.error('A request failed outside of the application', { error: describeError(error) });
      return Response.json(faultAnswer, { status: 500 });
    },
  });
  // Routes ask it for more time than other requests have.
  app.server = server;
  const shutdownMs = config.service.shutdown_timeout_seconds * 1000;
  lifecycle.onClose('flush', shutdownMs + closeLimitMs, async () => {
    if (await engine.flusher.stop(shutdownMs)) return;
    logger.warn('Not everything could be stored in time; the rest stays journaled', {
      journalBytes: engine.journal.bytes,
    });
  });
  lifecycle.onClose('requests', requestsLimitMs, async () => {
    await withTimeLimit(clock, requestsLimitMs - 500, server.stop(false), () => server.stop(true));
  });
  engine.flusher.start();
  logger.info('Listening', {
    url: server.url.href,
    version: serviceVersion,
    storage: [...engine.registry.backends.values()].map(({ kind }) => kind).join(', '),
    dataDir: config.service.data_dir,
  });
  return { url: server.url.href.replace(/\/$/, ''), stop: () => lifecycle.close() };
}

function startSchedule({ config, clock, lifecycle }: Foundation, removal: Removal): void {
  const { schedule } = config.retention;
  if (schedule === 'off') return;
  const stop = runOnSchedule(clock, schedule, () => removal.runSchedule());
  lifecycle.onClose('schedule', closeLimitMs, stop);
}

/** The answer when not even the application's own error handler could give one. */
const faultAnswer = {
  detail: 'The service failed on this request',
  error_code: 'INTERNAL_ERROR',
  request_id: '',
};

/** Brings the tables up to date if storage can be reached; if not, the first flush tries again. */
async function openStorage(registry: StorageRegistry, clock: Clock, logger: Logger): Promise<void> {
  for (const [name, backend] of registry.backends) {
    try {
      await withTimeLimit(clock, storageStartLimitMs, backend.open(), () => {
        throw new Error(`no answer within ${storageStartLimitMs} ms`);
      });
    } catch (error) {
      logger.warn('Storage cannot be used yet; batches are accepted and journaled until it can', {
        backend: name,
        error: describeError(error),
      });
    }
  }
}

async function closeStorage(registry: StorageRegistry): Promise<void> {
  await Promise.all([...registry.backends.values()].map((backend) => backend.close()));
}

function journalOptions({ journal, service }: Config): JournalOptions {
  return {
    folder: join(service.data_dir, 'journal'),
    sync: journal.sync,
    syncIntervalMs: journal.sync_interval_ms,
    // The file being written is not deleted: a quarter of the limit keeps room for others beside it.
    segmentBytesMax: Math.min(journal.segment_bytes_max, journal.bytes_max / 4),
    bytesMax: journal.bytes_max,
  };
}

/**
 * Makes the configured storage backends and routes each collection to one; nothing is connected yet.
 * @throws ConfigError when a collection has no backend, or the configuration names one that does not exist.
 */
export async function createStorage(config: Config): Promise<StorageRegistry> {
  const registry = new StorageRegistry();
  const backends = backendsOf(
    config,
    translationCollections.map(({ name }) => name),
  );
  for (const [name, backend] of Object.entries(backends)) {
    registry.register(name, await createBackend(backend));
  }
  for (const collection of translationCollections) {
    const name = Object.keys(backends).find((candidate) =>
      backends[candidate]?.collections.includes(collection.name),
    );
    if (name === undefined) {
      throw new ConfigError([
        `storage.backends: none of the enabled backends has the data type "${collection.name}"`,
      ]);
    }
    const parent = collection.parent?.collection;
    if (parent !== undefined && !backends[name]?.collections.includes(parent)) {
      throw new ConfigError([
        `storage.backends: "${collection.name}" must be in the same backend as "${parent}"`,
      ]);
    }
    registry.route(collection, name);
  }
  return registry;
}

/** The MySQL plugin and its driver are loaded where they are used: they take a part of the start, and some memory. */
async function createBackend(backend: BackendConfig): Promise<StorageBackend> {
  switch (backend.type) {
    case 'sqlite':
      return new SqliteBackend(backend.path);
    case 'mysql': {
      const { MysqlBackend } = await import('./storage/mysql/backend.ts');
      return new MysqlBackend(backend.connection);
    }
  }
}
