import type { WriteBuffer } from './write-buffer.ts';

/** How full the buffer is, as the API shows it: the two counts that it has a name for, against what starts a flush. */
export function bufferUsage(
  buffer: WriteBuffer,
  counted: { sessions: string; tasks: string },
  capacity: number,
) {
  const sessionsCount = buffer.sizeOf(counted.sessions);
  const tasksCount = buffer.sizeOf(counted.tasks);
  const totalCount = sessionsCount + tasksCount;
  return {
    sessions_count: sessionsCount,
    tasks_count: tasksCount,
    total_count: totalCount,
    capacity,
    usage_percent: Math.round((totalCount / capacity) * 1000) / 10,
  };
}
