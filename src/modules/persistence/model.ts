import { t } from 'elysia';
import { Count, Nullable } from '../../http/answer-schemas.ts';

const NullableTime = Nullable<string>('string', { format: 'date-time' });

export const BufferStatistics = t.Object(
  {
    buffer: t.Object({
      sessions_count: Count('Sessions that storage does not have yet.'),
      tasks_count: Count('Tasks that storage does not have yet.'),
      total_count: Count('Both together.'),
      capacity: Count('Records that start a flush.'),
      usage_percent: t.Number({ minimum: 0, description: 'The total against the capacity.' }),
    }),
    flush_info: t.Object({
      last_flush_time: NullableTime,
      next_flush_time: Nullable<string>('string', {
        format: 'date-time',
        description: 'When the timer starts one; null while one runs.',
      }),
      flush_count_today: Count('Flushes since midnight, UTC.'),
      average_flush_duration_ms: Count('Of all flushes since the start.'),
    }),
    performance: t.Object({
      total_sessions_written: Count('Since the start.'),
      total_tasks_written: Count('Since the start.'),
      total_flush_count: Count('Since the start.'),
      average_batch_size: Count('Records written a flush.'),
      uptime_seconds: Count('Seconds since the start.'),
    }),
  },
  {
    title: 'BufferStatistics',
    description: 'The buffer, and its flushes since the start.',
    examples: [
      {
        buffer: { sessions_count: 1, tasks_count: 2, total_count: 3, capacity: 1000, usage_percent: 0.3 },
        flush_info: {
          last_flush_time: '2025-09-30T10:15:30Z',
          next_flush_time: '2025-09-30T10:16:00Z',
          flush_count_today: 120,
          average_flush_duration_ms: 14,
        },
        performance: {
          total_sessions_written: 40,
          total_tasks_written: 2000,
          total_flush_count: 120,
          average_batch_size: 17,
          uptime_seconds: 3600,
        },
      },
    ],
  },
);
