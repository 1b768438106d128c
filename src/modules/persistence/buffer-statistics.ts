import { bufferUsage } from '../../engine/buffer-usage.ts';
import type { Flusher } from '../../engine/flusher.ts';
import type { WriteBuffer } from '../../engine/write-buffer.ts';
import type { Clock } from '../../platform/clock.ts';
import { formatSecond } from '../../platform/instant.ts';

export interface BufferStatisticsParts {
  buffer: WriteBuffer;
  flusher: Flusher;
  clock: Clock;
  /** The names of the collections behind the counts. */
  counted: { sessions: string; tasks: string };
  capacity: number;
  startedAtMs: number;
}

/** The statistics of the buffer and its flushes since the start, as the first API shows them. */
export function bufferStatistics({
  buffer,
  flusher,
  clock,
  counted,
  capacity,
  startedAtMs,
}: BufferStatisticsParts) {
  const { flushes, flushesToday, written, lastFlushAtMs, nextFlushAtMs, durationMsTotal } =
    flusher.statistics;
  const sessionsWritten = written.get(counted.sessions) ?? 0;
  const tasksWritten = written.get(counted.tasks) ?? 0;
  return {
    buffer: bufferUsage(buffer, counted, capacity),
    flush_info: {
      last_flush_time: timeOf(lastFlushAtMs),
      next_flush_time: timeOf(nextFlushAtMs),
      flush_count_today: flushesToday,
      average_flush_duration_ms: average(durationMsTotal, flushes),
    },
    performance: {
      total_sessions_written: sessionsWritten,
      total_tasks_written: tasksWritten,
      total_flush_count: flushes,
      average_batch_size: average(sessionsWritten + tasksWritten, flushes),
      uptime_seconds: Math.floor((clock.nowMs() - startedAtMs) / 1000),
    },
  };
}

function average(sum: number, count: number): number {
  return count === 0 ? 0 : Math.round(sum / count);
}

function timeOf(instantMs: number | undefined): string | null {
  return instantMs === undefined ? null : formatSecond(instantMs);
}
