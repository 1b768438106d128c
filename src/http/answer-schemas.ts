import { Kind, type TUnsafe, Type } from '@sinclair/typebox';

/**
 * Schemas of answers. They document and type what our own code builds; those of the kind `Any` check nothing, since
 * TypeBox has no OpenAPI 3.0 form for them or the check would take its time.
 */

/** A value that may be null. */
export function Nullable<T>(
  type: 'string' | 'integer' | 'number' | 'object',
  options: { format?: string; description?: string } = {},
): TUnsafe<T | null> {
  return Type.Unsafe<T | null>({ [Kind]: 'Any', type, nullable: true, ...options });
}

/** One of a closed set of words. */
export function OneOf<const Words extends readonly string[]>(words: Words): TUnsafe<Words[number]> {
  return Type.Unsafe<Words[number]>({ [Kind]: 'Any', type: 'string', enum: [...words] });
}

/** A date and time as the API writes it. Lists have two for each record: they are not read again for a check. */
export const Time = Type.Unsafe<string>({
  [Kind]: 'Any',
  type: 'string',
  format: 'date-time',
  description: 'ISO 8601 in UTC; milliseconds only where there are any.',
  examples: ['2025-09-30T10:15:30Z'],
});

/** A count or another whole number that is never negative. */
export const Count = (description: string) => Type.Integer({ minimum: 0, description });
