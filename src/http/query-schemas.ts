import { Kind, type TUnsafe, Type, TypeRegistry } from '@sinclair/typebox';

const kind = 'QueryInteger';

/** No database has more rows; page times size stays exact. */
const queryIntegerMax = 1_000_000_000;

const problem = `must be an integer from 1 to ${queryIntegerMax}`;

/**
 * A positive integer of a query. It is the text of digits until the handler makes it a `Number`: Elysia's own
 * conversion does not say which parameter is wrong.
 */
export function QueryInteger(options: { description: string }): TUnsafe<number> {
  return Type.Unsafe<number>({
    ...options,
    [Kind]: kind,
    type: 'integer',
    minimum: 1,
    maximum: queryIntegerMax,
  });
}

TypeRegistry.Set(
  kind,
  (_schema, value) =>
    typeof value === 'string' && /^[1-9]\d{0,9}$/.test(value) && Number(value) <= queryIntegerMax,
);

/** Says what is wrong with a parameter of this file's kind; undefined for any other schema. */
export function explainQueryParameter(schema: { [Kind]?: string }): string | undefined {
  return schema[Kind] === kind ? problem : undefined;
}
