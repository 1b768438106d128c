import { t } from 'elysia';
import { Count, Nullable, OneOf, Time } from '../../http/answer-schemas.ts';

export const ServiceInfo = t.Object(
  {
    service: t.Literal('Persistence Service'),
    status: t.Literal('running'),
    version: t.String(),
  },
  {
    title: 'ServiceInfo',
    description: 'The service runs.',
    examples: [{ service: 'Persistence Service', status: 'running', version: '1.0.0' }],
  },
);

const healthy = {
  status: 'healthy',
  database: 'healthy',
  buffer: {
    sessions_count: 1,
    tasks_count: 2,
    total_count: 3,
    held_count: 0,
    capacity: 1000,
    usage_percent: 0.3,
    last_flush: '2025-09-30T10:15:30Z',
  },
  flusher: { state: 'idle' },
  journal: { state: 'open', bytes: 1436, oldest_unflushed_seconds: 12 },
  quarantine: { records: 0 },
  uptime_seconds: 3600,
  version: '1.0.0',
};

export const HealthReport = t.Object(
  {
    status: OneOf(['healthy', 'unhealthy']),
    database: OneOf(['healthy', 'unhealthy']),
    buffer: t.Object({
      sessions_count: Count('Sessions that storage does not have yet.'),
      tasks_count: Count('Tasks that storage does not have yet.'),
      total_count: Count('Both together.'),
      held_count: Count('Records of these that wait for their session.'),
      capacity: Count('Records that start a flush.'),
      usage_percent: t.Number({
        minimum: 0,
        description: 'The total against the capacity; above 100 while flushes are behind.',
      }),
      last_flush: Nullable<string>('string', { format: 'date-time' }),
    }),
    flusher: t.Object(
      {
        state: OneOf(['idle', 'flushing', 'retrying', 'paused', 'stopped']),
        since: t.Optional(Time),
        attempt: t.Optional(Count('Attempts since storage stopped taking data.')),
        last_error: t.Optional(t.String()),
        last_error_class: t.Optional(
          t.String({ description: 'What there is to do about it: retry, pause, split, refuse or unknown.' }),
        ),
      },
      { description: 'What the writer to storage is doing.' },
    ),
    journal: t.Object({
      state: OneOf(['open', 'failed', 'closed']),
      bytes: Count('Size of the journal.'),
      oldest_unflushed_seconds: Count(
        'Age of the oldest record that waits for storage, those held for their session aside.',
      ),
    }),
    quarantine: t.Object({ records: Count('Records that storage refuses for good.') }),
    uptime_seconds: Count('Seconds since the start.'),
    version: t.String(),
  },
  {
    title: 'HealthReport',
    description: 'Storage answers, nothing waits too long, and the journal is in order.',
    examples: [healthy],
  },
);

export const BadHealthReport = {
  ...HealthReport,
  description: 'Storage does not answer, records wait too long, or the journal has failed.',
  examples: [
    {
      ...healthy,
      status: 'unhealthy',
      database: 'unhealthy',
      flusher: {
        state: 'retrying',
        since: '2025-09-30T10:15:30Z',
        attempt: 4,
        last_error: 'ECONNREFUSED',
        last_error_class: 'retry',
      },
    },
  ],
};

export const Alive = t.Object(
  { status: t.Literal('alive') },
  {
    title: 'Liveness',
    description: 'The process answers.',
    examples: [{ status: 'alive' }],
  },
);

export const Readiness = t.Object(
  {
    status: OneOf(['ready', 'not ready']),
    reason: t.Optional(t.String({ description: 'The code that batches are refused with.' })),
  },
  {
    title: 'Readiness',
    description: 'Batches are accepted.',
    examples: [{ status: 'ready' }],
  },
);

export const Unreadiness = {
  ...Readiness,
  description: 'The journal is almost full or has failed.',
  examples: [{ status: 'not ready', reason: 'JOURNAL_FULL' }],
};

/** The sections of the configuration, as `config.yaml` has them. */
export const ConfigView = t.Record(t.String(), t.Unknown(), {
  title: 'Configuration',
  description: 'The configuration in effect, defaults included, secrets hidden.',
  examples: [
    {
      service: { host: '0.0.0.0', port: 8001 },
      buffer: { max_buffer_size: 1000, flush_interval: 30 },
      database: { url: 'mysql://persistence@db:3306/translation', password: '***' },
    },
  ],
});

/** As OpenAPI has it: the answer is no JSON, and nothing checks it. */
export const MetricsText = {
  type: 'string' as const,
  examples: [
    `# HELP persistence_buffer_size Current buffer size
# TYPE persistence_buffer_size gauge
persistence_buffer_size{type="session"} 1
persistence_buffer_size{type="task"} 2
`,
  ],
};
