import type { ErrorExamples } from '../../http/openapi-errors.ts';

/** What the OpenAPI document shows: a task that a column is too short for. */

const id = '1795391721261000-9f0c56a1d3b7e824';
const code = 'ER_DATA_TOO_LONG';
const reason = "Data too long for column 'sheet_name' at row 1";

const listedExample = {
  id,
  kind: 'record',
  collection: 'translation_tasks',
  key: 'task_001',
  session_id: '550e8400-e29b-41d4-a716-446655440000',
  code,
  reason,
  first_accepted_at: '2025-09-30T10:15:30Z',
  accepted_at: '2025-09-30T10:15:30.255Z',
  quarantined_at: '2025-09-30T10:16:00.012Z',
  retried_at: null,
  record: {
    task_id: 'task_001',
    session_id: '550e8400-e29b-41d4-a716-446655440000',
    batch_id: 'batch_001',
    sheet_name: 'Dialogue of the third chapter',
    row_index: 10,
    column_name: 'Text',
    source_text: 'Hello, adventurer!',
    status: 'pending',
  },
};

export const entryExample = { ...listedExample, payload_base64: null };

export const pageExample = {
  total: 1,
  page: 1,
  page_size: 20,
  total_pages: 1,
  by_code: { [code]: 1 },
  items: [listedExample],
};

export const retryExample = { record: { sheet_name: 'Dialogue 3' } };
export const retriedExample = { status: 'stored', id };
export const retriedAllExample = { status: 'completed', retried: 8, stored: 7, still_refused: 1 };
export const discardedExample = { status: 'discarded', id };
export const discardedAllExample = { status: 'discarded', discarded: 8 };

const emptyFilter = invalid('code', 'must not be empty');

/** Errors that read better with the names of this module. */
export const entryErrors: ErrorExamples = {
  NOT_FOUND: { id, detail: 'The quarantine has nothing with this id' },
};
export const listErrors: ErrorExamples = { VALIDATION_FAILED: emptyFilter };
export const retryErrors: ErrorExamples = {
  ...entryErrors,
  VALIDATION_FAILED: invalid('record.confidence', 'must be a number from 0 to 1, or null'),
  STORAGE_UNAVAILABLE: {
    detail: 'Storage takes no data at the moment; what was not stored stays in the quarantine',
  },
};
export const retryAllErrors: ErrorExamples = {
  VALIDATION_FAILED: emptyFilter,
  STORAGE_UNAVAILABLE: {
    retried: 4,
    stored: 3,
    still_refused: 1,
    detail: 'Storage takes no data at the moment; what was not stored stays in the quarantine',
  },
};
export const discardAllErrors: ErrorExamples = {
  VALIDATION_FAILED: invalid(
    'confirm',
    'must be true when there is no filter: everything would be discarded',
  ),
};

function invalid(field: string, message: string): NonNullable<ErrorExamples['VALIDATION_FAILED']> {
  return { detail: `Invalid request: ${field} ${message}`, errors: [{ field, message }] };
}
