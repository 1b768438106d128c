import { and, asc, type Column, desc, eq, gt, gte, inArray, lt, lte, or, type SQL, sql } from 'drizzle-orm';
import type { Condition, Query } from '../contract.ts';

/** A table's columns by field name, as Drizzle describes them. */
export type Columns = Readonly<Record<string, Column>>;

/** The column of a field; a field without one is a fault of ours, since fields come from a collection. */
export function columnOf<C extends Column>(columns: Readonly<Record<string, C>>, field: string): C {
  const column = columns[field];
  if (column === undefined) throw new Error(`No column "${field}" in this table.`);
  return column;
}

/** The WHERE of a query, with the place to go on from. */
export function whereOf(
  columns: Columns,
  key: string,
  query: Pick<Query, 'where'> & Partial<Query>,
): SQL | undefined {
  return and(
    ...query.where.map((condition) => conditionSql(columns, condition)),
    behind(columns, key, query),
  );
}

/** The ORDER BY of a query; ties break by the key. */
export function orderOf(columns: Columns, key: string, { orderBy }: Query): SQL[] {
  const direct = orderBy.direction === 'asc' ? asc : desc;
  const fields = orderBy.field === key ? [key] : [orderBy.field, key];
  return fields.map((field) => direct(columnOf(columns, field)));
}

function conditionSql(columns: Columns, condition: Condition): SQL {
  const column = columnOf(columns, condition.field);
  switch (condition.is) {
    case 'equal':
      return eq(column, condition.value);
    case 'any of':
      return inArray(column, [...condition.values]);
    case 'at least':
      return gte(column, condition.value);
    case 'at most':
      return lte(column, condition.value);
    case 'contains':
      return sql`instr(lower(${column}), lower(${condition.value})) > 0`;
  }
}

/**
 * That a row lies behind a place. The first condition follows from the second; it is there for SQLite, which enters an
 * index with it, and would read the index from its start without.
 */
function behind(columns: Columns, key: string, { after, orderBy }: Partial<Query>): SQL | undefined {
  if (after === undefined || orderBy === undefined) return undefined;
  const [passes, reaches] = orderBy.direction === 'asc' ? [gt, gte] : [lt, lte];
  const keyColumn = columnOf(columns, key);
  if (orderBy.field === key) return passes(keyColumn, after.key);
  const column = columnOf(columns, orderBy.field);
  const beyond = or(passes(column, after.value), and(eq(column, after.value), passes(keyColumn, after.key)));
  return and(reaches(column, after.value), beyond);
}
