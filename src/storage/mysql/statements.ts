import { getTableColumns, getTableName } from 'drizzle-orm';
import type { MySqlTable } from 'drizzle-orm/mysql-core';
import { format } from 'mysql2';
import type { Collection } from '../collection.ts';
import type { FieldKind } from '../field.ts';
import { jsonObjectOf } from '../sql/deletions.ts';
import {
  type Assignment,
  type Shape,
  type SqlValue,
  writeAssignments,
  writtenColumns,
} from '../sql/upsert.ts';
import { datetimeOf } from './schema.ts';

const quote = (name: string): string => `\`${name}\``;

/**
 * The text around the rows of a bulk upsert. `VALUES(column)` is the one way to name the incoming value that
 * both MySQL and MariaDB know.
 */
interface UpsertText {
  before: string;
  after: string;
}

/** Builds statements that write; the text of each shape of a bulk upsert is built once. */
export class WriteStatements {
  readonly #upserts = new Map<string, UpsertText>();

  /** The statements for the rows of a shape, with every value escaped: one for all, or one a row where rows must exist. */
  statements(table: MySqlTable, collection: Collection, shape: Shape): string[] {
    const instants = instantPlaces(collection);
    for (const row of shape.rows) {
      for (const place of instants) row[place] = datetimeValue(row[place] ?? null);
    }
    if (shape.partial) return shape.rows.map((row) => updateStatement(table, collection, shape, row));
    const { before, after } = this.#upsertOf(table, collection, shape);
    return [before + format('?', [shape.rows]) + after];
  }

  #upsertOf(table: MySqlTable, collection: Collection, shape: Shape): UpsertText {
    const name = `${collection.name}:${shape.name}`;
    let text = this.#upserts.get(name);
    if (text === undefined) {
      text = upsertText(table, collection, shape);
      // The shapes are the subsets of the optional fields; clients use a few of them. Starting over bounds the map.
      if (this.#upserts.size >= 1000) this.#upserts.clear();
      this.#upserts.set(name, text);
    }
    return text;
  }
}

function upsertText(table: MySqlTable, collection: Collection, shape: Shape): UpsertText {
  const assignments = writeAssignments(collection, shape, {
    quote,
    incoming: (name) => `VALUES(${quote(name)})`,
  });
  return {
    before: `INSERT INTO ${quote(getTableName(table))} (${writtenColumns(collection).map(quote).join(', ')}) VALUES `,
    after: ` ON DUPLICATE KEY UPDATE ${textOf(assignments)}`,
  };
}

function updateStatement(table: MySqlTable, collection: Collection, shape: Shape, row: SqlValue[]): string {
  const columns = writtenColumns(collection);
  const incoming = (name: string): string => format('?', [row[columns.indexOf(name)]]);
  const assignments = writeAssignments(collection, shape, { quote, incoming });
  return `UPDATE ${quote(getTableName(table))} SET ${textOf(assignments)} WHERE ${quote(collection.key)} = ${incoming(collection.key)}`;
}

function textOf(assignments: readonly Assignment[]): string {
  return assignments.map(({ text }) => text).join(', ');
}

/** Reads the rows of keys. */
export function readStatement(table: MySqlTable, { key }: Collection): string {
  const columns = Object.keys(getTableColumns(table)).map(quote).join(', ');
  return `SELECT ${columns} FROM ${quote(getTableName(table))} WHERE ${quote(key)} IN (?)`;
}

/** Keeps a deletion: collection, key, version, instant. What was kept of an earlier life of the record goes. */
export const markStatement = `INSERT INTO deleted_records (collection, record_key, version, deleted_at) VALUES (?, ?, ?, ?)
  ON DUPLICATE KEY UPDATE
    record = CASE WHEN VALUES(version) > version THEN NULL ELSE record END,
    deleted_at = GREATEST(deleted_at, VALUES(deleted_at)),
    version = GREATEST(version, VALUES(version))`;

/** A shared lock in the way that both servers know: no deletion of these is added until the transaction ends. */
export function deletedVersionsStatement(collection: string, keys: readonly string[]): string {
  return format(
    'SELECT record_key, version FROM deleted_records WHERE collection = ? AND record_key IN (?) LOCK IN SHARE MODE',
    [collection, [...keys]],
  );
}

/** Copies rows aside: instant, keys. */
export function keepStatement(table: MySqlTable, collection: Collection): string {
  const key = quote(collection.key);
  const record = jsonObjectOf(collection, jsonValue);
  return `INSERT INTO deleted_records (collection, record_key, version, deleted_at, record)
    SELECT '${collection.name}', ${key}, version, ?, ${record} FROM ${quote(getTableName(table))} WHERE ${key} IN (?)
    ON DUPLICATE KEY UPDATE
      record = VALUES(record),
      deleted_at = GREATEST(deleted_records.deleted_at, VALUES(deleted_at)),
      version = GREATEST(deleted_records.version, VALUES(version))`;
}

/** MariaDB mixes no collations in an object, and its documents have another than our text columns. */
function jsonValue(column: string, kind: FieldKind): string {
  if (kind === 'Document') return `JSON_EXTRACT(${quote(column)}, '$')`;
  return kind === 'Text' || kind === 'Choice'
    ? `${quote(column)} /*M! COLLATE utf8mb4_bin */`
    : quote(column);
}

export const sizeStatement =
  'SELECT SUM(data_length + index_length) AS bytes FROM information_schema.tables WHERE table_schema = DATABASE()';

/** The places of instants in a row. */
function instantPlaces(collection: Collection): number[] {
  const kinds = new Map(collection.fields.map((field) => [field.name, field.kind]));
  return writtenColumns(collection).flatMap((column, place) =>
    kinds.get(column) === 'Instant' || column === 'created_at' || column === 'updated_at' ? [place] : [],
  );
}

function datetimeValue(value: SqlValue): SqlValue {
  return typeof value === 'number' ? datetimeOf(value) : value;
}
