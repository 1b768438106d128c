import {
  Kind,
  type SchemaOptions,
  type Static,
  type TOptional,
  type TSchema,
  type TUnsafe,
  Type,
  TypeRegistry,
} from '@sinclair/typebox';
import { parseInstant } from '../platform/instant.ts';

/**
 * The kinds of value a field can have. Each is a TypeBox schema with a kind of its own, because the limits are
 * those of the columns: characters are code points (a VARCHAR's unit; JSON Schema counts the same), bytes are UTF-8.
 */
export type FieldKind = 'Text' | 'Choice' | 'Whole' | 'Fraction' | 'Instant' | 'Document';

/**
 * How a later value of a field meets an earlier one:
 * `newest` takes the later, `greatest` the larger (a counter never goes down), `fixed` never changes.
 */
export type MergeRule = 'newest' | 'greatest' | 'fixed';

/** MySQL's TEXT holds this many bytes; documents get the same limit, which keeps their keys legal in a JSON column. */
export const textBytesMax = 65_535;
/** MySQL's INT. */
export const wholeMax = 2_147_483_647;
/** MariaDB refuses a JSON document nested deeper than this; MySQL allows 100. */
export const documentDepthMax = 31;

interface FieldOptions extends SchemaOptions {
  description: string;
  /** Default: `newest`. */
  merge?: MergeRule;
}

/** A string of at most `charactersMax` characters and `bytesMax` bytes in UTF-8. */
export function Text(
  limits: { charactersMin?: number; charactersMax?: number; bytesMax?: number },
  options: FieldOptions,
): TUnsafe<string> {
  const { charactersMin, charactersMax, bytesMax } = limits;
  return field<string>('Text', 'string', options, {
    ...(charactersMin === undefined ? {} : { minLength: charactersMin }),
    ...(charactersMax === undefined ? {} : { maxLength: charactersMax }),
    ...(bytesMax === undefined ? {} : { 'x-bytesMax': bytesMax }),
  });
}

/** One of a closed set of words. */
export function Choice<const Words extends readonly string[]>(
  words: Words,
  options: FieldOptions,
): TUnsafe<Words[number]> {
  return field<Words[number]>('Choice', 'string', options, { enum: [...words] });
}

/** An integer from 0 to `maximum`, at most the largest INT. `initial` is stored when a new record does not give one. */
export function Whole(options: FieldOptions & { initial?: number; maximum?: number }): TUnsafe<number> {
  const { initial, maximum = wholeMax, ...rest } = options;
  return field<number>('Whole', 'integer', rest, {
    minimum: 0,
    maximum,
    ...(initial === undefined ? {} : { 'x-initial': initial }),
  });
}

/** A number from 0 to 1, kept with four decimals (MySQL's DECIMAL(5,4)). */
export function Fraction(options: FieldOptions): TUnsafe<number> {
  return field<number>('Fraction', 'number', options, { minimum: 0, maximum: 1 });
}

/** A date and time in ISO 8601; without an offset it is UTC. */
export function Instant(options: FieldOptions): TUnsafe<string> {
  return field<string>('Instant', 'string', options, { format: 'date-time' });
}

/** A JSON object of free form. */
export function Document(options: FieldOptions): TUnsafe<Record<string, unknown>> {
  return field<Record<string, unknown>>('Document', 'object', options, {
    additionalProperties: true,
    'x-bytesMax': textBytesMax,
  });
}

/** A field that a write may leave out (what is stored stays) or set to null (what is stored is cleared). */
export function Clearable<Schema extends TSchema>(schema: Schema): TOptional<TUnsafe<Static<Schema> | null>> {
  return Type.Optional(Type.Unsafe<Static<Schema> | null>({ ...schema, nullable: true }));
}

function field<T>(
  kind: FieldKind,
  type: string,
  { merge, ...options }: FieldOptions,
  limits: Record<string, unknown>,
): TUnsafe<T> {
  return Type.Unsafe<T>({
    ...options,
    ...limits,
    [Kind]: kind,
    type,
    ...(merge === undefined ? {} : { 'x-merge': merge }),
  });
}

/** The keywords of a field's schema, as the checks below read them. */
export interface FieldSchema {
  [Kind]: FieldKind;
  nullable?: boolean;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  enum?: readonly string[];
  'x-bytesMax'?: number;
  'x-merge'?: MergeRule;
  'x-initial'?: number;
}

/** What is wrong with a value, as the end of a sentence that starts with the field; undefined: nothing. */
type Check = (schema: FieldSchema, value: unknown) => string | undefined;

const checks: Record<FieldKind, Check> = {
  Text(schema, value) {
    if (typeof value !== 'string') return 'must be a string';
    const { minLength = 0, maxLength, 'x-bytesMax': bytesMax } = schema;
    if (value.length < minLength) return 'must not be empty';
    if (!value.isWellFormed()) return 'holds an unpaired surrogate, which is not valid Unicode text';
    if (maxLength !== undefined && value.length > maxLength) {
      const characters = [...value].length;
      if (characters > maxLength) return `must have at most ${maxLength} characters, not ${characters}`;
    }
    return bytesMax === undefined ? undefined : tooLong(value, bytesMax);
  },
  Choice(schema, value) {
    if (typeof value === 'string' && schema.enum?.includes(value)) return undefined;
    return `must be one of ${schema.enum?.join(', ')}`;
  },
  Whole(schema, value) {
    const { minimum = 0, maximum = wholeMax } = schema;
    if (Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum) return undefined;
    return `must be an integer from ${minimum} to ${maximum}`;
  },
  Fraction(_schema, value) {
    return typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'must be a number from 0 to 1';
  },
  Instant(_schema, value) {
    if (typeof value === 'string' && parseInstant(value) !== undefined) return undefined;
    return 'must be a date and time in ISO 8601 between the years 1000 and 9999, such as 2025-09-30T10:15:30Z';
  },
  Document(schema, value) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'must be a JSON object';
    return problemWithin(value, 1) ?? tooLong(JSON.stringify(value), schema['x-bytesMax'] ?? textBytesMax);
  },
};

for (const [kind, check] of Object.entries(checks)) {
  TypeRegistry.Set<FieldSchema>(
    kind,
    (schema, value) => (value === null && schema.nullable === true) || check(schema, value) === undefined,
  );
}

/** Says what is wrong with a field's value, for its schema of this file; undefined for any other schema. */
export function explainField(schema: TSchema, value: unknown): string | undefined {
  const check = checks[schema[Kind] as FieldKind];
  const problem = check?.(schema as unknown as FieldSchema, value);
  return problem?.startsWith('must be ') === true && schema.nullable === true
    ? `${problem}, or null`
    : problem;
}

function tooLong(value: string, bytesMax: number): string | undefined {
  // A UTF-16 unit takes at most three bytes in UTF-8: most texts need no count.
  if (value.length * 3 <= bytesMax) return undefined;
  const bytes = Buffer.byteLength(value, 'utf8');
  return bytes > bytesMax ? `must have at most ${bytesMax} bytes in UTF-8, not ${bytes}` : undefined;
}

function problemWithin(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') {
    return value.isWellFormed() ? undefined : 'holds an unpaired surrogate, which is not valid Unicode text';
  }
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : 'holds a number too large to keep';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > documentDepthMax) return `must not be nested deeper than ${documentDepthMax} levels`;
  for (const [key, inner] of Object.entries(value)) {
    const problem = problemWithin(key, depth) ?? problemWithin(inner, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
