/**
 * Every error code a client can meet, with the sentence that documents it. The table is closed: an error
 * without a code of this table cannot be thrown, and `http/errors.ts` gives each code its one HTTP status.
 */
export const errorCodes = {
  INVALID_JSON: 'The body is not JSON in UTF-8.',
  BODY_TOO_LARGE: 'The body is larger than service.body_bytes_max.',
  VALIDATION_FAILED: 'The request is well formed, but a value breaks a rule; errors[] names each field.',
  SESSION_NOT_FOUND: 'A batch of tasks names a session that was never accepted.',
  TASK_SESSION_MISMATCH: 'A batch names another session for a task that already belongs to one.',
  QUARANTINE_REFUSED: 'A record of the quarantine was tried again, and is refused again; it stays there.',
  NOT_FOUND: 'No record has this id.',
  ROUTE_NOT_FOUND: 'No endpoint has this method and path.',
  CLEANUP_RUNNING: 'A clean-up is running already, of this instance or of another on the same database.',
  OVERLOADED:
    'More requests at a time than service.concurrent_requests_max, or larger ones together than service.concurrent_bytes_max.',
  NOT_ACCEPTING: 'The service is shutting down and accepts no more batches.',
  JOURNAL_FULL:
    'The journal has reached journal.bytes_max; batches are accepted again once storage has caught up.',
  JOURNAL_FAILED: 'The journal could not be written to disk; the service needs a restart on a healthy disk.',
  STORAGE_UNAVAILABLE: 'Storage cannot be reached, or does not answer in time.',
  FLUSH_INCOMPLETE:
    'Records wait, most often tasks for a session that has not arrived; everything else is in storage.',
  FLUSH_TIMEOUT:
    'Storage has not taken everything within buffer.flush_timeout_seconds; the rest stays journaled.',
  INTERNAL_ERROR: 'A fault of the service itself; the log has the request id.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** One field that is wrong: `field` is a path such as `tasks[3].confidence`. */
export interface FieldProblem {
  field: string;
  message: string;
}

/** How many wrong fields an answer names. */
export const fieldProblemsMax = 20;

export interface ServiceErrorDetails {
  /** Field by field, what is wrong. */
  errors?: readonly FieldProblem[];
  /** More public fields of the answer, such as `session_id`. */
  extra?: Readonly<Record<string, unknown>>;
  /** When a client may try again, in seconds. */
  retryAfterSeconds?: number;
  /** The internal reason: logged, never sent. */
  cause?: unknown;
}

/**
 * An error with a public message. It knows nothing of HTTP: the last step before the answer turns its code
 * into a status.
 */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: ErrorCode;
  readonly details: ServiceErrorDetails;

  constructor(code: ErrorCode, message: string, details: ServiceErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.details = details;
  }
}

/** Asserts an invariant of the program: a failure is a fault of ours, never of the caller's data. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}

/** What a thrown value says, with its causes, for a log line. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  const cause = error.cause === undefined ? '' : describeError(error.cause);
  const own = `${error.message}${code}`;
  return cause === '' || cause.includes(error.message) ? cause || own : `${own}: ${cause}`;
}
