import { Elysia } from 'elysia';
import type { Registry } from 'prom-client';
import { serviceVersion } from '../../platform/version.ts';
import type { Health } from './health.ts';
import { HealthReport, ServiceInfo } from './model.ts';

/** What an operator, a load balancer or a monitor asks. */
export function systemRoutes(health: Health, metrics: Registry) {
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
        detail: { summary: 'That the service runs, and its version' },
      },
    )
    .get(
      '/health',
      async ({ status }) => {
        const report = await health.report();
        return status(report.status === 'healthy' ? 200 : 503, report);
      },
      {
        response: { 200: HealthReport, 503: HealthReport },
        detail: {
          summary: 'How the service is',
          description: '503 when storage does not answer, records wait too long, or the journal has failed.',
        },
      },
    )
    .get(
      '/api/v1/system/metrics',
      async () => new Response(await metrics.metrics(), { headers: { 'content-type': metrics.contentType } }),
      { detail: { summary: 'Metrics for Prometheus' } },
    );
}
