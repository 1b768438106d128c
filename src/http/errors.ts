import { Elysia } from 'elysia';
import { describeError, type ErrorCode, type FieldProblem, ServiceError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { StorageError } from '../storage/contract.ts';
import { requestIdHeader } from './request-id.ts';
import { fieldProblems, summary, type ValidationFailure } from './validation.ts';

/** The one place where an error becomes an HTTP status. */
export const statusOf: Readonly<Record<ErrorCode, number>> = {
  INVALID_JSON: 400,
  BODY_TOO_LARGE: 413,
  VALIDATION_FAILED: 422,
  SESSION_NOT_FOUND: 422,
  TASK_SESSION_MISMATCH: 422,
  QUARANTINE_REFUSED: 422,
  NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  CLEANUP_RUNNING: 409,
  OVERLOADED: 503,
  NOT_ACCEPTING: 503,
  JOURNAL_FULL: 503,
  JOURNAL_FAILED: 503,
  STORAGE_UNAVAILABLE: 503,
  FLUSH_INCOMPLETE: 503,
  FLUSH_TIMEOUT: 503,
  INTERNAL_ERROR: 500,
};

interface ErrorBody {
  detail: string;
  error_code: ErrorCode;
  errors?: readonly FieldProblem[];
  request_id: string;
}

/** Turns whatever a route throws into the one shape of an error's answer; the cause goes to the log only. */
export function errorAnswers(logger: Logger) {
  return new Elysia({ name: 'error-answers' }).onError({ as: 'global' }, ({ code, error, request, set }) => {
    const failure = serviceErrorOf(code, error, request);
    const status = statusOf[failure.code];
    const requestId = String(set.headers[requestIdHeader] ?? '');
    logger[status === 500 ? 'error' : status > 500 ? 'warn' : 'info']('A request was not done', {
      requestId,
      method: request.method,
      path: pathOf(request),
      errorCode: failure.code,
      error: describeError(failure),
      ...(status === 500 && failure.cause instanceof Error ? { stack: failure.cause.stack } : {}),
    });
    const { errors, extra, retryAfterSeconds } = failure.details;
    set.status = status;
    if (retryAfterSeconds !== undefined) set.headers['retry-after'] = String(retryAfterSeconds);
    return {
      ...extra,
      detail: failure.message,
      error_code: failure.code,
      ...(errors === undefined ? {} : { errors }),
      request_id: requestId,
    } satisfies ErrorBody;
  });
}

function serviceErrorOf(code: unknown, thrown: unknown, request: Request): ServiceError {
  if (thrown instanceof ServiceError) return thrown;
  // Elysia wraps what the body's parser throws.
  if (code === 'PARSE' && thrown instanceof Error && thrown.cause instanceof ServiceError)
    return thrown.cause;
  if (code === 'VALIDATION') {
    const failure = thrown as unknown as ValidationFailure;
    if (failure.type !== 'response') {
      const errors = fieldProblems(failure);
      return new ServiceError('VALIDATION_FAILED', summary(errors), { errors });
    }
  }
  if (code === 'NOT_FOUND') {
    return new ServiceError(
      'ROUTE_NOT_FOUND',
      `There is no ${request.method} ${pathOf(request)}; /openapi.json lists the endpoints`,
    );
  }
  if (thrown instanceof StorageError) {
    return new ServiceError('STORAGE_UNAVAILABLE', 'Storage cannot be read at the moment; try again', {
      retryAfterSeconds: 5,
      cause: thrown,
    });
  }
  return new ServiceError(
    'INTERNAL_ERROR',
    'The service failed on this request; its log has the details under this request_id',
    {
      cause: thrown,
    },
  );
}

/** The path of a request; a Host header can make a URL that is none. */
function pathOf({ url }: Request): string {
  return URL.parse(url)?.pathname ?? '(unreadable)';
}
