import type { Static } from '@sinclair/typebox';
import { formatInstant } from '../../platform/instant.ts';
import type { Collection } from '../../storage/collection.ts';
import type { StoredRecord } from '../../storage/contract.ts';
import type { SessionView as SessionSchema, TaskView as TaskSchema } from './model.ts';
import { sessions, tasks } from './records.ts';

export type SessionView = Static<typeof SessionSchema>;
export type TaskView = Static<typeof TaskSchema>;

/** A stored session as the API shows it, with what is computed from its counters. */
export function sessionView(stored: StoredRecord): SessionView {
  const fields = fieldsOf(sessions, stored) as Omit<
    SessionView,
    'pending_tasks' | 'progress' | 'estimated_completion' | 'created_at' | 'updated_at'
  >;
  const { total_tasks, completed_tasks, failed_tasks, processing_tasks } = fields;
  return {
    ...fields,
    pending_tasks: Math.max(0, total_tasks - completed_tasks - failed_tasks - processing_tasks),
    progress: percent(completed_tasks, total_tasks),
    created_at: formatInstant(stored.created_at),
    updated_at: formatInstant(stored.updated_at),
    estimated_completion: estimatedCompletion(fields, stored),
  };
}

/** A stored task as the API shows it. */
export function taskView(stored: StoredRecord): TaskView {
  return {
    ...(fieldsOf(tasks, stored) as Omit<TaskView, 'created_at' | 'updated_at'>),
    created_at: formatInstant(stored.created_at),
    updated_at: formatInstant(stored.updated_at),
  };
}

/** The fields of a collection in the API's form: instants become text. */
function fieldsOf(collection: Collection, stored: StoredRecord): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const { name, kind } of collection.fields) {
    const value = stored[name];
    fields[name] = kind === 'Instant' && typeof value === 'number' ? formatInstant(value) : value;
  }
  return fields;
}

function percent(part: number, total: number): number {
  return total === 0 ? 0 : Math.round((Math.min(part, total) / total) * 1000) / 10;
}

/** When a session ends if it goes on at its pace between the first and the last write; null while that is unknown. */
function estimatedCompletion(
  {
    status,
    total_tasks,
    completed_tasks,
    failed_tasks,
  }: Pick<SessionView, 'status' | 'total_tasks' | 'completed_tasks' | 'failed_tasks'>,
  { created_at, updated_at }: StoredRecord,
): string | null {
  const done = completed_tasks + failed_tasks;
  if (status !== 'processing' || done === 0 || done >= total_tasks || updated_at <= created_at) return null;
  const taskMs = (updated_at - created_at) / done;
  const endMs = updated_at + taskMs * (total_tasks - done);
  return endMs < Date.UTC(10_000, 0, 1) ? formatInstant(Math.round(endMs / 1000) * 1000) : null;
}
