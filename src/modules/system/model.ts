import { t } from 'elysia';
import { Count, Nullable, OneOf, Time } from '../../http/answer-schemas.ts';

export const ServiceInfo = t.Object({
  service: t.Literal('Persistence Service'),
  status: t.Literal('running'),
  version: t.String(),
});

export const HealthReport = t.Object({
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
});

export const Alive = t.Object({ status: t.Literal('alive') });

export const Readiness = t.Object({
  status: OneOf(['ready', 'not ready']),
  reason: t.Optional(t.String({ description: 'The code that batches are refused with.' })),
});

/** The sections of the configuration, as `config.yaml` has them. */
export const ConfigView = t.Record(t.String(), t.Unknown(), {
  description: 'The configuration in effect, defaults included, secrets hidden.',
});
