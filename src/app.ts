import { Elysia } from 'elysia';
import type { Registry } from 'prom-client';
import { apiPages } from './http/api-pages.ts';
import { errorAnswers } from './http/errors.ts';
import { requestMetrics } from './http/metrics.ts';
import { openApi } from './http/openapi.ts';
import { requestIds } from './http/request-id.ts';
import { type RequestLimit, requestLimits } from './http/request-limit.ts';
import type { BufferStatisticsParts } from './modules/persistence/buffer-statistics.ts';
import { firstApiNames, firstApiPrefix, persistenceRoutes } from './modules/persistence/index.ts';
import type { Health } from './modules/system/health.ts';
import { systemRoutes } from './modules/system/index.ts';
import type { QuarantineService } from './modules/system/quarantine.ts';
import { quarantineRoutes } from './modules/system/quarantine-routes.ts';
import { translationRoutes, writeRoutes } from './modules/translation/index.ts';
import { managementRoutes } from './modules/translation/management-routes.ts';
import type { Removal } from './modules/translation/removal.ts';
import type { TranslationService } from './modules/translation/service.ts';
import type { Logger } from './platform/logger.ts';

export interface AppParts {
  translation: TranslationService;
  removal: Removal;
  health: Health;
  quarantine: QuarantineService;
  statistics: BufferStatisticsParts;
  metrics: Registry;
  /** The configuration, without its secrets. */
  config: Record<string, unknown>;
  logger: Logger;
  bodyBytesMax: number;
  requestLimit: RequestLimit;
}

/** The HTTP application: every route, and what all of them share. */
export function createApp({
  translation,
  removal,
  health,
  quarantine,
  statistics,
  metrics,
  config,
  logger,
  bodyBytesMax,
  requestLimit,
}: AppParts) {
  // Host names shorter than four letters are names too, such as `db`.
  return new Elysia({ normalize: false, handler: { standardHostname: false } })
    .use(requestIds)
    .use(requestMetrics(metrics))
    .use(errorAnswers(logger))
    .use(requestLimits(requestLimit, metrics))
    .use(openApi())
    .use(apiPages())
    .use(systemRoutes({ health, metrics, config }))
    .use(quarantineRoutes(quarantine, bodyBytesMax))
    .use(writeRoutes('/api/v1/translation', translation, bodyBytesMax))
    .use(translationRoutes(translation, logger))
    .use(managementRoutes(translation, removal, bodyBytesMax))
    .use(writeRoutes(firstApiPrefix, translation, bodyBytesMax, firstApiNames))
    .use(persistenceRoutes(statistics));
}

/** The type from which a typed client is made. */
export type App = ReturnType<typeof createApp>;
