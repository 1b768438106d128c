import type { OpenAPIV3 } from 'openapi-types';
import { type ErrorCode, errorCodes, type FieldProblem, fieldProblemsMax } from '../platform/errors.ts';
import { statusOf } from './errors.ts';

/** What an error's answer holds besides its code and the request's id. */
interface ErrorExample {
  detail: string;
  errors?: readonly FieldProblem[];
  [extra: string]: unknown;
}

export type ErrorExamples = Partial<Record<ErrorCode, ErrorExample>>;

/** The keyword of an operation that carries what `errorsOf` declares to the document. */
export const errorsKeyword = 'x-errors';

/**
 * Declares in the `detail` of a route which errors it answers with, besides those that every route can have.
 * @param own examples that fit the route better than the usual ones.
 */
export function errorsOf(codes: readonly ErrorCode[], own: ErrorExamples = {}) {
  return { [errorsKeyword]: Object.fromEntries(codes.map((code) => [code, own[code] ?? examples[code]])) };
}

const sessionId = '550e8400-e29b-41d4-a716-446655440000';

const examples: Record<ErrorCode, ErrorExample> = {
  INVALID_JSON: { detail: 'The body is not JSON (JSON Parse error: Unexpected EOF)' },
  BODY_TOO_LARGE: {
    detail: 'The body is larger than 16777216 bytes (service.body_bytes_max); send smaller batches',
  },
  VALIDATION_FAILED: {
    detail: 'Invalid request: fresh must be one of true, false',
    errors: [{ field: 'fresh', message: 'must be one of true, false' }],
  },
  SESSION_NOT_FOUND: {
    session_id: sessionId,
    detail: 'Session not found: send the session before its tasks',
    errors: [
      { field: 'tasks[0].session_id', message: `names session "${sessionId}", which was never accepted` },
    ],
  },
  TASK_SESSION_MISMATCH: {
    detail: 'A task belongs to one session for good',
    errors: [
      {
        field: 'tasks[0].session_id',
        message: 'differs from the session that task "task_001" already belongs to',
      },
    ],
  },
  QUARANTINE_REFUSED: {
    id: '1795391721261000-9f0c56a1d3b7e824',
    code: 'ER_DATA_TOO_LONG',
    reason: "Data too long for column 'sheet_name' at row 1",
    detail: 'Storage refuses the record again; it stays in the quarantine',
  },
  NOT_FOUND: { session_id: sessionId, detail: 'Session not found' },
  ROUTE_NOT_FOUND: { detail: 'There is no GET /nothing; /openapi.json lists the endpoints' },
  CLEANUP_RUNNING: { detail: 'A clean-up is running already, perhaps of another instance' },
  OVERLOADED: { detail: 'The service is answering as many requests as it may; try again' },
  NOT_ACCEPTING: { detail: 'The service is shutting down.' },
  JOURNAL_FULL: {
    detail:
      'Storage is behind and the journal is full; nothing more is accepted until storage has caught up.',
  },
  JOURNAL_FAILED: {
    detail:
      'The journal cannot be written; nothing is accepted until the service is restarted on a healthy disk.',
  },
  STORAGE_UNAVAILABLE: { detail: 'Storage cannot be read at the moment; try again' },
  FLUSH_INCOMPLETE: {
    held_tasks: 30,
    detail:
      '30 records wait: for a session that has not been sent, or because storage refuses them without saying why; everything else is in storage',
  },
  FLUSH_TIMEOUT: {
    detail:
      'The flush takes longer than a request may wait; it goes on, and everything accepted stays journaled',
  },
  INTERNAL_ERROR: {
    detail: 'The service failed on this request; its log has the details under this request_id',
  },
};

/** Errors that any route can have, and those that any can have but an operator's. */
const everywhere = errorsOf(['INTERNAL_ERROR'])[errorsKeyword] as ErrorExamples;
const whereLimited = errorsOf(['OVERLOADED'])[errorsKeyword] as ErrorExamples;

/** An answer for each status of the declared errors: its codes, and an example of each. */
export function errorAnswersOf(declared: ErrorExamples, isLimited: boolean): OpenAPIV3.ResponsesObject {
  const possible: ErrorExamples = { ...declared, ...(isLimited ? whereLimited : {}), ...everywhere };
  const codes = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => possible[code] !== undefined);
  const byStatus = Map.groupBy(codes, (code) => statusOf[code]);
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [status, errorAnswer(status, ofStatus, possible)]),
  );
}

function errorAnswer(
  status: number,
  codes: readonly ErrorCode[],
  possible: ErrorExamples,
): OpenAPIV3.ResponseObject {
  return {
    description: codes.map((code) => `\`${code}\`: ${errorCodes[code]}`).join('\n\n'),
    headers: status === 503 ? { 'retry-after': { $ref: '#/components/headers/RetryAfter' } } : {},
    content: {
      'application/json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Error' },
            { properties: { error_code: { type: 'string', enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(
          codes.map((code) => [
            code,
            {
              summary: errorCodes[code],
              value: {
                ...possible[code],
                error_code: code,
                request_id: '01a20550-d756-74be-9824-81f39a4d176c',
              },
            },
          ]),
        ),
      },
    },
  };
}

/** The one shape of an error's answer. */
export const errorSchema: OpenAPIV3.SchemaObject = {
  type: 'object',
  description: 'What every error answers with.',
  required: ['detail', 'error_code', 'request_id'],
  properties: {
    detail: { type: 'string', description: 'A sentence for people. It may change; do not compare it.' },
    error_code: {
      type: 'string',
      description: 'What went wrong; the list is closed.',
      enum: Object.keys(errorCodes),
    },
    errors: {
      type: 'array',
      description: 'The fields that are wrong, where there are any to name.',
      maxItems: fieldProblemsMax,
      items: {
        type: 'object',
        required: ['field', 'message'],
        properties: {
          field: { type: 'string', description: 'Where it is.', example: 'tasks[3].confidence' },
          message: {
            type: 'string',
            description: 'What is wrong with it.',
            example: 'must be a number from 0 to 1, or null',
          },
        },
      },
    },
    request_id: { type: 'string', description: 'The header `x-request-id`, again; the log has it.' },
    session_id: { type: 'string', description: 'The session that the error is about.' },
    task_id: { type: 'string', description: 'The task that the error is about.' },
    held_tasks: {
      type: 'integer',
      minimum: 1,
      description: 'How many accepted records wait, most often tasks for their session.',
    },
    id: { type: 'string', description: 'The entry of the quarantine that the error is about.' },
    code: { type: 'string', description: 'The code of the refusal.' },
    reason: { type: 'string', description: 'Why the record was refused.' },
    retried: { type: 'integer', minimum: 0, description: 'Quarantined records that were tried so far.' },
    stored: { type: 'integer', minimum: 0, description: 'Those of them that storage has taken.' },
    still_refused: { type: 'integer', minimum: 0, description: 'Those of them that stay in the quarantine.' },
  },
};
