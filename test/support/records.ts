import type { SessionRecord, TaskRecord } from '../../src/modules/translation/records.ts';

/** A valid session; the given fields replace its own. */
export function aSession(fields: Partial<SessionRecord> = {}): SessionRecord {
  return {
    session_id: crypto.randomUUID(),
    filename: 'game.xlsx',
    file_path: '/uploads/game.xlsx',
    status: 'processing',
    llm_provider: 'openai',
    ...fields,
  };
}

/** A valid task of a session; the given fields replace its own. */
export function aTask(sessionId: string, fields: Partial<TaskRecord> = {}): TaskRecord {
  return {
    task_id: crypto.randomUUID(),
    session_id: sessionId,
    batch_id: 'batch_001',
    sheet_name: 'Dialogue',
    row_index: 0,
    column_name: 'Text',
    source_text: 'Hello, adventurer!',
    status: 'pending',
    ...fields,
  };
}

/** What the API shows of the fields that no write of a task has given. */
export const taskDefaults: Readonly<Record<string, string | number | null>> = {
  target_text: null,
  context: null,
  confidence: null,
  error_message: null,
  retry_count: 0,
  start_time: null,
  end_time: null,
  duration_ms: null,
};
