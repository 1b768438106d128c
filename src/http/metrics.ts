import { Elysia } from 'elysia';
import { Counter, Histogram, type Registry } from 'prom-client';

/** Bounds in seconds: fine around the ten milliseconds in which a batch is accepted. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts and times every request, under its route's pattern, never an id. */
export function requestMetrics(registry: Registry) {
  const requests = new Counter({
    name: 'persistence_api_requests_total',
    help: 'Total API requests',
    labelNames: ['endpoint', 'method', 'status'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'persistence_api_duration_seconds',
    help: 'API request duration',
    labelNames: ['endpoint', 'method'],
    buckets: durationBuckets,
    registers: [registry],
  });
  const startedAt = new WeakMap<Request, number>();
  return new Elysia({ name: 'request-metrics' })
    .onRequest(({ request }) => {
      startedAt.set(request, performance.now());
    })
    .onAfterResponse({ as: 'global' }, ({ request, route, set }) => {
      // A path that matches no route has no pattern: one label for all of them keeps their number bounded.
      const endpoint = route === undefined || route === '' ? 'none' : route;
      requests.inc({ endpoint, method: request.method, status: String(set.status ?? 200) });
      const started = startedAt.get(request);
      if (started !== undefined) {
        durations.observe({ endpoint, method: request.method }, (performance.now() - started) / 1000);
      }
    });
}
