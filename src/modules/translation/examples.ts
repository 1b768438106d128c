import type { ErrorExamples } from '../../http/openapi-errors.ts';
import type { SessionRecord, TaskRecord } from './records.ts';

/** What the OpenAPI document shows: one session with two tasks, all through. A test holds them against the schemas. */

const sessionId = '550e8400-e29b-41d4-a716-446655440000';
const acceptedAt = '2025-09-30T10:15:30Z';

const session: SessionRecord = {
  session_id: sessionId,
  filename: 'game_translation.xlsx',
  file_path: '/uploads/game_translation.xlsx',
  status: 'processing',
  game_info: { game_name: 'Fantasy RPG', source_language: 'en', target_language: 'zh' },
  llm_provider: 'openai',
  metadata: { user_id: 'user_123' },
  total_tasks: 2,
  completed_tasks: 1,
  failed_tasks: 0,
  processing_tasks: 0,
};

const task: TaskRecord = {
  task_id: 'task_001',
  session_id: sessionId,
  batch_id: 'batch_001',
  sheet_name: 'Dialogue',
  row_index: 10,
  column_name: 'Text',
  source_text: 'Hello, adventurer!',
  target_text: '你好，冒险者！',
  context: 'NPC greeting dialogue',
  status: 'completed',
  confidence: 0.95,
  error_message: null,
  retry_count: 0,
  start_time: '2025-09-30T10:10:00Z',
  end_time: '2025-09-30T10:10:05Z',
  duration_ms: 5000,
};

const waitingTask = {
  ...task,
  task_id: 'task_002',
  row_index: 11,
  source_text: 'Farewell!',
  target_text: null,
  context: null,
  status: 'pending' as const,
  confidence: null,
  start_time: null,
  end_time: null,
  duration_ms: null,
} satisfies TaskRecord;

const times = { created_at: acceptedAt, updated_at: '2025-09-30T10:20:00Z' };

export const sessionExample = {
  ...session,
  pending_tasks: 1,
  progress: 50,
  ...times,
  estimated_completion: '2025-09-30T10:24:30Z',
};
export const taskExample = { ...task, ...times };
const waitingTaskExample = { ...waitingTask, ...times };

export const sessionBatchExample = { sessions: [session] };
export const taskBatchExample = { tasks: [task, waitingTask] };
export const acceptedExample = { status: 'accepted', count: 1, timestamp: acceptedAt };
export const flushedExample = { status: 'flushed', sessions_written: 1, tasks_written: 2, duration_ms: 12 };

export const sessionsPageExample = onePage([sessionExample]);
export const tasksPageExample = onePage([taskExample, waitingTaskExample]);
export const sessionTasksPageExample = { session_id: sessionId, ...tasksPageExample };

export const incompleteSessionsExample = { count: 1, sessions: [sessionExample] };
export const restoredSessionExample = {
  session_id: sessionId,
  session: sessionExample,
  tasks: [waitingTaskExample],
  tasks_count: 1,
  restored_tasks_count: 1,
  restored_at: '2025-09-30T10:30:00Z',
};
export const recoveryStatusExample = {
  last_replay: {
    finished_at: '2025-09-30T10:00:01Z',
    frames: 2,
    records: 3,
    damaged_ranges: 0,
    damaged_bytes: 0,
    lost_frames: 0,
    unreadable_frames: 0,
    torn_tail: false,
    seconds: 0.004,
  },
  backlog: { records: 3, on_disk_only: false, journal_bytes: 1436, oldest_seconds: 12 },
  restores: { started: 1, completed: 1, failed: 0, tasks: 1, success_percent: 100 },
};

export const deletedExample = { status: 'deleted', session_id: sessionId, deleted_tasks: 2 };
export const statusChangedExample = {
  session_id: sessionId,
  status: 'completed',
  updated_at: '2025-09-30T10:30:00Z',
};
export const cleanupExample = { completed_days: 90, failed_days: 30, dry_run: true };
export const cleanedUpExample = {
  status: 'completed',
  deleted_sessions: 1,
  deleted_tasks: 2,
  dry_run: true,
};
export const statisticsExample = {
  sessions: { total: 1, pending: 0, processing: 1, completed: 0, failed: 0, cancelled: 0 },
  tasks: { total: 2, pending: 1, processing: 0, completed: 1, failed: 0 },
  performance: { average_session_time: null, average_task_time: 5, success_rate: 100 },
  storage: { database_size_mb: 0.1, sessions_table_rows: 1, tasks_table_rows: 2 },
};

function onePage<Item>(items: Item[]) {
  return { total: items.length, page: 1, page_size: 20, total_pages: 1, next_cursor: null, items };
}

const wrongSessionStatus = 'must be one of pending, processing, completed, failed, cancelled';
const wrongConfidence = 'must be a number from 0 to 1, or null';
const longSessionId = 'must have at most 36 characters, not 40';

/** Errors that read better with the names of this module. */
export const sessionBatchErrors = { VALIDATION_FAILED: invalid('sessions[0].status', wrongSessionStatus) };
export const taskBatchErrors = { VALIDATION_FAILED: invalid('tasks[3].confidence', wrongConfidence) };
export const sessionIdErrors = { VALIDATION_FAILED: invalid('session_id', longSessionId) };
export const taskIdErrors = { NOT_FOUND: { task_id: 'task_001', detail: 'Task not found' } };
export const flushErrors = {
  STORAGE_UNAVAILABLE: {
    detail:
      'Storage takes no data at the moment; everything accepted stays journaled and is written as soon as it does',
  },
};
export const statusErrors = { VALIDATION_FAILED: invalid('status', wrongSessionStatus) };
export const deleteErrors = { VALIDATION_FAILED: invalid('mode', 'must be one of hard, soft') };
export const cleanupErrors = { VALIDATION_FAILED: invalid('mode', 'must be one of hard, soft') };

function invalid(field: string, message: string): NonNullable<ErrorExamples['VALIDATION_FAILED']> {
  return { detail: `Invalid request: ${field} ${message}`, errors: [{ field, message }] };
}
