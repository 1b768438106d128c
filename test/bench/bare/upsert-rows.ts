import { batchTasks } from '../load/batches.ts';

/** Records a chunk of the bare loops. */
export const chunkRows = 1000;

type Value = string | number | null;

/** Rows of tasks as the bare loops write them, a chunk at a time, with the columns' names. */
export function taskRows(
  records: number,
  instant: (ms: number) => Value,
): { columns: string[]; chunks: Value[][][] } {
  const nowMs = Date.now();
  const whole = batchTasks(records, 1).map((task): Record<string, Value> => {
    const { start_time: start, end_time: end, ...fields } = task;
    return {
      context: null,
      target_text: null,
      confidence: null,
      error_message: null,
      retry_count: 0,
      duration_ms: null,
      ...fields,
      start_time: start == null ? null : instant(Date.parse(start)),
      end_time: end == null ? null : instant(Date.parse(end)),
      created_at: instant(nowMs),
      updated_at: instant(nowMs),
      version: nowMs * 1000,
    };
  });
  const columns = Object.keys(whole[0] ?? {});
  const rows = whole.map((row) => columns.map((column) => row[column] ?? null));
  const chunks = Array.from({ length: Math.ceil(rows.length / chunkRows) }, (_, index) =>
    rows.slice(index * chunkRows, (index + 1) * chunkRows),
  );
  return { columns, chunks };
}
