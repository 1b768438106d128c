import { parseInstant } from '../../platform/instant.ts';
import type { Collection, Field, GivenRecord } from '../collection.ts';
import type { PendingRecord } from '../contract.ts';

/** A value as a driver takes it; instants are milliseconds since the epoch. */
export type SqlValue = string | number | null;

/** The columns that storage adds to a collection's fields; the version is last, see `writeAssignments`. */
const envelopeColumns = ['created_at', 'updated_at', 'version'] as const;

/** Records that give the same fields: one statement's text serves them all. */
export interface Shape {
  /** The names of the fields they give; as one text in `name`; and for each field of the collection whether it is one. */
  given: ReadonlySet<string>;
  name: string;
  gives: readonly boolean[];
  /** They lack a required field, and can only change a row that exists. */
  partial: boolean;
  /** One row a record: a value for every field of the collection, then for every column of the envelope. */
  rows: SqlValue[][];
}

/** Groups records by the fields they give; the order of records within a group stays. */
export function groupByShape(collection: Collection, records: readonly PendingRecord[]): Shape[] {
  const shapes: Shape[] = [];
  let last: Shape | undefined;
  for (const pending of records) {
    const { record } = pending;
    // Most records have the shape of the one before.
    if (last === undefined || !hasShape(collection, record, last)) {
      last = shapes.find((shape) => hasShape(collection, record, shape)) ?? shapeOf(collection, record);
      if (last.rows.length === 0) shapes.push(last);
    }
    last.rows.push(rowOf(collection, pending));
  }
  return shapes;
}

function hasShape({ fields }: Collection, record: GivenRecord, { gives }: Shape): boolean {
  let place = 0;
  for (const field of fields) {
    if (gives[place] !== isGiven(field, record[field.name])) return false;
    place += 1;
  }
  return true;
}

function shapeOf({ fields }: Collection, record: GivenRecord): Shape {
  const gives = fields.map((field) => isGiven(field, record[field.name]));
  const names = fields.filter((_, place) => gives[place]).map(({ name }) => name);
  const partial = fields.some(({ required }, place) => required && !gives[place]);
  return { given: new Set(names), name: names.join(','), gives, partial, rows: [] };
}

/** The columns of a write, in the order of a shape's rows. */
export function writtenColumns(collection: Collection): string[] {
  return [...collection.fields.map((field) => field.name), ...envelopeColumns];
}

/** `column = expression`. */
export interface Assignment {
  column: string;
  text: string;
}

/**
 * The assignments that a write makes when the key exists, as `StorageBackend.write` says. The stored version is
 * compared in most of them and assigned in the last one: MySQL assigns from left to right, and a later expression sees
 * the earlier assignment.
 * A changed fixed field becomes NULL, which its column refuses: the whole statement fails and changes nothing.
 */
export function writeAssignments(
  collection: Collection,
  given: ReadonlySet<string>,
  dialect: { quote: (name: string) => string; incoming: (name: string) => string },
): Assignment[] {
  const { quote, incoming } = dialect;
  const assign = (column: string, expression: string): Assignment => ({
    column,
    text: `${quote(column)} = ${expression}`,
  });
  const larger = (name: string, sign: '>' | '<' = '>'): Assignment =>
    assign(
      name,
      `CASE WHEN ${incoming(name)} ${sign} ${quote(name)} THEN ${incoming(name)} ELSE ${quote(name)} END`,
    );
  const assignment = ({ name, merge }: Field): Assignment => {
    if (merge === 'greatest') return larger(name);
    if (merge === 'fixed') {
      return assign(name, `CASE WHEN ${incoming(name)} = ${quote(name)} THEN ${quote(name)} END`);
    }
    const newest = `CASE WHEN ${incoming('version')} >= ${quote('version')} THEN ${incoming(name)} ELSE ${quote(name)} END`;
    return assign(name, newest);
  };
  const fields = collection.fields.filter(({ name }) => name !== collection.key && given.has(name));
  return [...fields.map(assignment), larger('created_at', '<'), larger('updated_at'), larger('version')];
}

/** Null gives a counter nothing: a counter cannot be cleared. */
function isGiven(field: Field, value: unknown): boolean {
  return value !== undefined && (value !== null || field.merge !== 'greatest');
}

function rowOf(collection: Collection, { record, version, firstVersion }: PendingRecord): SqlValue[] {
  const row: SqlValue[] = [];
  for (const field of collection.fields) row.push(sqlValue(field, record[field.name]));
  row.push(Math.floor(firstVersion / 1000), Math.floor(version / 1000), version);
  return row;
}

function sqlValue(field: Field, value: unknown): SqlValue {
  if (value === undefined || value === null) return field.initial;
  switch (field.kind) {
    case 'Instant':
      return parseInstant(String(value)) ?? null;
    case 'Document':
      return JSON.stringify(value);
    case 'Fraction':
      return Math.round(Number(value) * 10_000) / 10_000;
    default:
      return value as SqlValue;
  }
}
