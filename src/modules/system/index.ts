import { Elysia } from 'elysia';
import type { Registry } from 'prom-client';
import { serviceVersion } from '../../platform/version.ts';
import type { Health } from './health.ts';
import {
  Alive,
  BadHealthReport,
  ConfigView,
  HealthReport,
  MetricsText,
  Readiness,
  ServiceInfo,
  Unreadiness,
} from './model.ts';

export interface SystemParts {
  health: Health;
  metrics: Registry;
  /** The configuration, without its secrets. */
  config: Record<string, unknown>;
}

/** What an operator, a load balancer or a monitor asks. */
export function systemRoutes({ health, metrics, config }: SystemParts) {
  const healthHooks = (operationId: string) => ({
    response: { 200: HealthReport, 503: BadHealthReport },
    detail: {
      operationId,
      summary: 'How the service is',
      description: '503 when storage does not answer, records wait too long, or the journal has failed.',
    },
  });
  const metricsHooks = (operationId: string) => ({
    detail: {
      operationId,
      summary: 'Metrics for Prometheus',
      description: 'Requests, buffer, flushes, journal, quarantine, and the process itself.',
      responses: {
        200: { description: 'Every metric.', content: { 'text/plain': { schema: MetricsText } } },
      },
    },
  });
  const metricsAnswer = async (): Promise<Response> =>
    new Response(await metrics.metrics(), { headers: { 'content-type': metrics.contentType } });
  return new Elysia({ normalize: false, tags: ['system'] })
    .get(
      '/',
      () => ({
        service: 'Persistence Service' as const,
        status: 'running' as const,
        version: serviceVersion,
      }),
      {
        response: { 200: ServiceInfo },
        detail: {
          operationId: 'showService',
          summary: 'That the service runs, and its version',
          description: 'For people and for the simplest of monitors.',
        },
      },
    )
    .get(
      '/health',
      async ({ status }) => reportWith(status, await health.report()),
      healthHooks('checkHealth'),
    )
    .get(
      '/api/v1/system/health',
      async ({ status }) => reportWith(status, await health.report()),
      healthHooks('checkSystemHealth'),
    )
    .get('/health/live', () => ({ status: 'alive' as const }), {
      response: { 200: Alive },
      detail: {
        operationId: 'checkLiveness',
        summary: 'That the process answers',
        description: 'Looks at nothing else: for what restarts a process that hangs.',
      },
    })
    .get(
      '/health/ready',
      ({ status }) => {
        const refusal = health.refusal();
        return refusal === undefined
          ? status(200, { status: 'ready' as const })
          : status(503, { status: 'not ready' as const, reason: refusal.code });
      },
      {
        response: { 200: Readiness, 503: Unreadiness },
        detail: {
          operationId: 'checkReadiness',
          summary: 'Whether batches are accepted',
          description: '503 while the journal is almost full or has failed.',
        },
      },
    )
    .get('/metrics', metricsAnswer, metricsHooks('readMetrics'))
    .get('/api/v1/system/metrics', metricsAnswer, metricsHooks('readSystemMetrics'))
    .get('/api/v1/system/config', () => config, {
      response: { 200: ConfigView },
      detail: {
        operationId: 'readConfiguration',
        summary: 'The configuration in effect',
        description: 'Defaults included, secrets hidden.',
      },
    });
}

type Report = Awaited<ReturnType<Health['report']>>;

function reportWith<Answer>(status: (code: 200 | 503, report: Report) => Answer, report: Report): Answer {
  return status(report.status === 'healthy' ? 200 : 503, report);
}
