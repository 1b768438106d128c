import { getTableName } from 'drizzle-orm';
import type { SQLiteTable } from 'drizzle-orm/sqlite-core';
import type { Collection } from '../collection.ts';
import { jsonObjectOf } from '../sql/deletions.ts';
import { type Shape, writeAssignments, writtenColumns } from '../sql/upsert.ts';

const quote = (name: string): string => `"${name}"`;

/** Writes one row of a shape, whose values are its parameters. */
export function writeStatement(table: SQLiteTable, collection: Collection, shape: Shape): string {
  const name = quote(getTableName(table));
  const columns = writtenColumns(collection);
  const place = (column: string): string => `?${columns.indexOf(column) + 1}`;
  const assignments = writeAssignments(collection, shape.given, { quote, incoming: place }).join(', ');
  if (shape.partial) {
    return `UPDATE ${name} SET ${assignments} WHERE ${quote(collection.key)} = ${place(collection.key)}`;
  }
  return `INSERT INTO ${name} (${columns.map(quote).join(', ')}) VALUES (${columns.map(place).join(', ')}) ON CONFLICT (${quote(collection.key)}) DO UPDATE SET ${assignments}`;
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
