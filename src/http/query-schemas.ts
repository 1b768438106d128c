import { Kind, type TUnsafe, Type, TypeRegistry } from '@sinclair/typebox';

const kind = 'QueryInteger';

/** No database has more rows; page times size stays exact. */
const queryIntegerMax = 1_000_000_000;

interface Limits {
  minimum: number;
  maximum: number;
}

/**
 * An integer of a query, from 1 unless said otherwise. It is the text of digits until the handler makes it a
 * `Number`: Elysia's own conversion does not say which parameter is wrong.
 */
export function QueryInteger(
  options: { description: string; examples: number[] } & Partial<Limits>,
): TUnsafe<number> {
  return Type.Unsafe<number>({
    minimum: 1,
    maximum: queryIntegerMax,
    ...options,
    [Kind]: kind,
    type: 'integer',
  });
}

const pageSizeDefault = 20;
const pageSizeMax = 100;

/** The parameters of a list that is read in pages. */
export const pageQuery = {
  page: Type.Optional(QueryInteger({ description: 'Page, from 1.', examples: [1] })),
  page_size: Type.Optional(
    QueryInteger({ description: 'Items a page; 20 if not given, above 100 means 100.', examples: [20] }),
  ),
};

/** How many items a page has; a parameter is the text of digits, until here. */
export function pageSizeOf({ page_size = pageSizeDefault }: { page_size?: number | undefined }): number {
  return Math.min(Number(page_size), pageSizeMax);
}

TypeRegistry.Set<Limits>(
  kind,
  ({ minimum, maximum }, value) =>
    typeof value === 'string' &&
    /^(0|[1-9]\d{0,9})$/.test(value) &&
    Number(value) >= minimum &&
    Number(value) <= maximum,
);

/** Says what is wrong with a parameter of this file's kind; undefined for any other schema. */
export function explainQueryParameter(schema: { [Kind]?: string } & Partial<Limits>): string | undefined {
  return schema[Kind] === kind ? `must be an integer from ${schema.minimum} to ${schema.maximum}` : undefined;
}
