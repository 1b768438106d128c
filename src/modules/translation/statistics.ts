import type { Collection } from '../../storage/collection.ts';
import type { Condition, CountOptions, StorageBackend } from '../../storage/contract.ts';
import { type sessionStatuses, sessions, type taskStatuses, tasks } from './records.ts';

const completed: Condition = { field: 'status', is: 'equal', value: 'completed' };

export type Statistics = Awaited<ReturnType<typeof translationStatistics>>;

/** How many sessions and tasks there are, how they fare, and what they take on disk: of committed storage. */
export async function translationStatistics(backend: StorageBackend, options?: CountOptions) {
  const [sessionCounts, taskCounts, sessionMs, taskMs, sizeBytes] = await Promise.all([
    countByStatus<(typeof sessionStatuses)[number]>(backend, sessions, options),
    countByStatus<(typeof taskStatuses)[number]>(backend, tasks, options),
    backend.averageMs(sessions, [completed], { from: 'created_at', to: 'updated_at' }, options),
    backend.averageMs(tasks, [completed], { field: 'duration_ms' }, options),
    backend.sizeBytes(),
  ]);
  const ended = taskCounts.of('completed') + taskCounts.of('failed');
  return {
    sessions: {
      total: sessionCounts.total,
      pending: sessionCounts.of('pending'),
      processing: sessionCounts.of('processing'),
      completed: sessionCounts.of('completed'),
      failed: sessionCounts.of('failed'),
      cancelled: sessionCounts.of('cancelled'),
    },
    tasks: {
      total: taskCounts.total,
      pending: taskCounts.of('pending'),
      processing: taskCounts.of('processing'),
      completed: taskCounts.of('completed'),
      failed: taskCounts.of('failed'),
    },
    performance: {
      average_session_time: seconds(sessionMs),
      average_task_time: seconds(taskMs),
      success_rate: ended === 0 ? null : oneDecimal((taskCounts.of('completed') / ended) * 100),
    },
    storage: {
      database_size_mb: oneDecimal(sizeBytes / 1024 / 1024),
      sessions_table_rows: sessionCounts.total,
      tasks_table_rows: taskCounts.total,
    },
  };
}

async function countByStatus<Status extends string>(
  backend: StorageBackend,
  collection: Collection,
  options?: CountOptions,
) {
  const counts = await backend.countBy(collection, 'status', options);
  let total = 0;
  for (const count of counts.values()) total += count;
  return { total, of: (status: Status): number => counts.get(status) ?? 0 };
}

function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : oneDecimal(ms / 1000);
}

function oneDecimal(value: number): number {
  return Math.round(value * 10) / 10;
}
