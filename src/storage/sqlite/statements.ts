import { getTableName } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Collection } from '../collection.ts';
import { jsonObjectOf } from '../sql/deletions.ts';
import { type Shape, writeAssignments, writtenColumns } from '../sql/upsert.ts';

const quote = (name: string): string => `"${name}"`;

/** Writes one row of a shape, whose values are its parameters. */
export function writeStatement(table: SQLiteTable, collection: Collection, shape: Shape): string {
  const { place, insertion, assignments } = partsOf(table, collection, shape);
  const set = assignments.map(({ text }) => text).join(', ');
  return shape.partial
    ? `UPDATE ${quote(getTableName(table))} SET ${set} WHERE ${quote(collection.key)} = ${place(collection.key)}`
    : `${insertion} DO UPDATE SET ${set}`;
}

/**
 * The same for a row that is new, or that has the given values in its `steady` columns already; any other is left as
 * it is. SQLite writes every index of an assigned column anew, also where its value stays, and keeps a copy aside of
 * what it changes while a column may turn out to be NULL: without these columns a row costs half.
 */
export function usualWriteStatement(
  table: SQLiteTable,
  collection: Collection,
  shape: Shape,
  steady: ReadonlySet<string>,
): string {
  const { place, insertion, assignments } = partsOf(table, collection, shape);
  const set = assignments.filter(({ column }) => !steady.has(column)).map(({ text }) => text);
  const unchanged = assignments
    .filter(({ column }) => steady.has(column))
    .map(({ column }) => `${quote(column)} ${column === 'created_at' ? '<=' : '='} ${place(column)}`);
  return `${insertion} DO UPDATE SET ${set.join(', ')} WHERE ${unchanged.join(' AND ')}`;
}

function partsOf(table: SQLiteTable, collection: Collection, shape: Shape) {
  const columns = writtenColumns(collection);
  const place = (column: string): string => `?${columns.indexOf(column) + 1}`;
  return {
    place,
    insertion: `INSERT INTO ${quote(getTableName(table))} (${columns.map(quote).join(', ')}) VALUES (${columns.map(place).join(', ')}) ON CONFLICT (${quote(collection.key)})`,
    assignments: writeAssignments(collection, shape, { quote, incoming: place }),
  };
}

/** Keeps a deletion: collection, key, version, instant. What was kept of an earlier life of the record goes. */
export const markStatement = `INSERT INTO deleted_records (collection, record_key, version, deleted_at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT DO UPDATE SET
    record = CASE WHEN excluded.version > version THEN NULL ELSE record END,
    deleted_at = max(deleted_at, excluded.deleted_at),
    version = max(version, excluded.version)`;

/** Copies a row aside: instant, key. */
export function keepStatement(table: SQLiteTable, collection: Collection): string {
  const record = jsonObjectOf(collection, (name, kind) =>
    kind === 'Document' ? `json(${quote(name)})` : quote(name),
  );
  return `INSERT INTO deleted_records (collection, record_key, version, deleted_at, record)
    SELECT '${collection.name}', ${quote(collection.key)}, version, ?1, ${record}
      FROM ${quote(getTableName(table))} WHERE ${quote(collection.key)} = ?2
    ON CONFLICT DO UPDATE SET
      record = excluded.record,
      deleted_at = max(deleted_at, excluded.deleted_at),
      version = max(version, excluded.version)`;
}
