import type { TSchema } from '@sinclair/typebox';
import { ValueErrorType } from '@sinclair/typebox/errors';
import { type FieldProblem, fieldProblemsMax } from '../platform/errors.ts';
import { explainField } from '../storage/field.ts';
import { explainQueryParameter } from './query-schemas.ts';

/** What Elysia throws when a schema does not hold, as far as it is used here. */
export interface ValidationFailure {
  type: 'body' | 'query' | 'params' | 'response';
  value: unknown;
  validator: { Errors(value: unknown): Iterable<Violation> };
}

interface Violation {
  type: ValueErrorType;
  schema: TSchema;
  path: string;
  value: unknown;
  message: string;
}

/** Names each field that is wrong and says why, the first problem of each, at most twenty. */
export function fieldProblems(failure: ValidationFailure): FieldProblem[] {
  const problems = new Map<string, FieldProblem>();
  for (const violation of failure.validator.Errors(failure.value)) {
    const field = fieldPath(violation.path) || failure.type;
    if (!problems.has(field)) problems.set(field, { field, message: messageOf(violation) });
    if (problems.size === fieldProblemsMax) break;
  }
  return [...problems.values()];
}

/** One sentence for people who read no further. */
export function summary(problems: readonly FieldProblem[]): string {
  const [first] = problems;
  if (first === undefined) return 'The request breaks a rule of its schema';
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return `Invalid request: ${first.field} ${first.message}${more}`;
}

/** `/tasks/3/confidence` → `tasks[3].confidence`. */
function fieldPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => {
      if (/^\d+$/.test(part)) return `${path}[${part}]`;
      return path === '' ? part : `${path}.${part}`;
    }, '');
}

function messageOf({ type, schema, value, message }: Violation): string {
  switch (type) {
    case ValueErrorType.ObjectRequiredProperty:
      return 'is required';
    case ValueErrorType.ObjectAdditionalProperties:
      return 'is no parameter of this endpoint';
    case ValueErrorType.Object:
      return 'must be a JSON object';
    case ValueErrorType.Array:
      return 'must be an array';
    case ValueErrorType.ArrayMaxItems:
      return `must have at most ${schema.maxItems} records, not ${Array.isArray(value) ? value.length : 'more'}`;
    case ValueErrorType.ArrayMinItems:
      return `must have at least ${schema.minItems} record`;
    default:
      return (
        explainField(schema, value) ??
        explainQueryParameter(schema) ??
        `is wrong: ${message.charAt(0).toLowerCase()}${message.slice(1)}`
      );
  }
}
