import { getTableName } from 'drizzle-orm';
import type { MySqlTable } from 'drizzle-orm/mysql-core';
import { format } from 'mysql2';
import type { Collection } from '../collection.ts';
import { type Shape, type SqlValue, upsertAssignments, upsertColumns } from '../sql/upsert.ts';
import { datetimeOf } from './schema.ts';

const quote = (name: string): string => `\`${name}\``;

/**
 * The text around the rows of a bulk upsert. `VALUES(column)` is the one way to name the incoming value that
 * both MySQL and MariaDB know.
 */
interface UpsertText {
  before: string;
  after: string;
  /** The places of instants in a row. */
  instants: readonly number[];
}

/** Builds bulk upserts; the text of each shape is built once. */
export class UpsertStatements {
  readonly #texts = new Map<string, UpsertText>();

  /** The whole statement for the rows of a shape, with every value escaped. */
  statement(table: MySqlTable, collection: Collection, shapeName: string, shape: Shape): string {
    const name = `${collection.name}:${shapeName}`;
    let text = this.#texts.get(name);
    if (text === undefined) {
      text = upsertText(table, collection, shape);
      // The shapes are the subsets of the optional fields; clients use a few of them. Starting over bounds the map.
      if (this.#texts.size >= 1000) this.#texts.clear();
      this.#texts.set(name, text);
    }
    for (const row of shape.rows) {
      for (const place of text.instants) row[place] = datetimeValue(row[place] ?? null);
    }
    return text.before + format('?', [shape.rows]) + text.after;
  }
}

function upsertText(table: MySqlTable, collection: Collection, { given }: Shape): UpsertText {
  const columns = upsertColumns(collection);
  const kinds = new Map(collection.fields.map((field) => [field.name, field.kind]));
  const assignments = upsertAssignments(collection, given, {
    quote,
    incoming: (name) => `VALUES(${quote(name)})`,
  });
  return {
    before: `INSERT INTO ${quote(getTableName(table))} (${columns.map(quote).join(', ')}) VALUES `,
    after: ` ON DUPLICATE KEY UPDATE ${assignments.join(', ')}`,
    instants: columns.flatMap((column, place) =>
      kinds.get(column) === 'Instant' || column === 'created_at' || column === 'updated_at' ? [place] : [],
    ),
  };
}

function datetimeValue(value: SqlValue): SqlValue {
  return typeof value === 'number' ? datetimeOf(value) : value;
}
