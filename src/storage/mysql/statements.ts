import { setImmediate } from 'node:timers/promises';
import { getTableColumns, getTableName } from 'drizzle-orm';
import type { MySqlTable } from 'drizzle-orm/mysql-core';
import { format } from 'mysql2';
import type { Collection } from '../collection.ts';
import type { PendingRecord } from '../contract.ts';
import type { FieldKind } from '../field.ts';
import { jsonObjectOf } from '../sql/deletions.ts';
import {
  type Assignment,
  rowOf,
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

/** Rows of a statement: the driver encodes it in one go. */
const statementRowsMax = 500;
/** Rows whose text is made before requests get their turn: half a millisecond of work. */
const rowsAtATime = 40;

/** Builds statements that write; the text of each shape of a bulk upsert is built once. */
export class WriteStatements {
  readonly #upserts = new Map<string, UpsertText>();

  /** The statements for the records of a shape, with every value escaped: of many rows, or one a row where rows must exist. */
  async *statements(
    table: MySqlTable,
    collection: Collection,
    shape: Shape,
  ): AsyncGenerator<string, undefined> {
    if (shape.partial) {
      for (const row of rowsOf(collection, shape.records))
        yield updateStatement(table, collection, shape, row);
      return;
    }
    const { before, after } = this.#upsertOf(table, collection, shape);
    for (let start = 0; start < shape.records.length; start += statementRowsMax) {
      const records = shape.records.slice(start, start + statementRowsMax);
      yield before + (await rowsText(rowsOf(collection, records))) + after;
    }
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

async function rowsText(rows: Iterable<SqlValue[]>): Promise<string> {
  const parts: string[] = [];
  let some: SqlValue[][] = [];
  for (const row of rows) {
    some.push(row);
    if (some.length < rowsAtATime) continue;
    parts.push(format('?', [some]));
    some = [];
    await setImmediate();
  }
  if (some.length > 0) parts.push(format('?', [some]));
  return parts.join(', ');
}

/** The rows of records, with the instants as the server takes them. */
function* rowsOf(collection: Collection, records: readonly PendingRecord[]): Generator<SqlValue[]> {
  const instants = instantPlaces(collection);
  for (const record of records) {
    const row = rowOf(collection, record);
    for (const place of instants) row[place] = datetimeValue(row[place] ?? null);
    yield row;
  }
}

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
