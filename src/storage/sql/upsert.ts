import { parseInstant } from '../../platform/instant.ts';
import type { Collection, Field, GivenRecord } from '../collection.ts';
import type { PendingRecord } from '../contract.ts';

/** A value as a driver takes it; instants are milliseconds since the epoch. */
export type SqlValue = string | number | null;

/** The columns that storage adds to a collection's fields; the version is last, see `writeAssignments`. */
const envelopeColumns = ['created_at', 'updated_at', 'version'] as const;

/** Records that one statement's text serves. */
export interface Shape {
  /** The fields that all of them give; and for each field in which shapes differ whether it is one. */
  given: ReadonlySet<string>;
  gives: readonly boolean[];
  /** The fields that any of them may leave out: null in a row, or 0 of a counter, says that its record does. */
  fillable: ReadonlySet<string>;
  /** What tells its text from that of the collection's other shapes. */
  name: string;
  /** They lack a required field, and can only change a row that exists. */
  partial: boolean;
  records: PendingRecord[];
}

/** Groups records by the fields they give; the order of records within a group stays. */
export function groupByShape(collection: Collection, records: readonly PendingRecord[]): Shape[] {
  return group(collection, records, []);
}

/**
 * The same in few groups, for statements of many rows: records that differ only in fields that they leave out share
 * one, unless any record sets such a field to null. What null means in a row is then known for each field.
 */
export function groupByFewShapes(collection: Collection, records: readonly PendingRecord[]): Shape[] {
  const fillable = collection.fields.filter(
    ({ name, required, merge, initial }) =>
      !required &&
      (merge === 'greatest' || (initial === null && !records.some(({ record }) => record[name] === null))),
  );
  return group(collection, records, fillable);
}

function group(
  collection: Collection,
  records: readonly PendingRecord[],
  fillable: readonly Field[],
): Shape[] {
  const told = collection.fields.filter((field) => !fillable.includes(field));
  const fillableNames = new Set(fillable.map(({ name }) => name));
  const shapes: Shape[] = [];
  let last: Shape | undefined;
  for (const pending of records) {
    const { record } = pending;
    // Most records have the shape of the one before.
    if (last === undefined || !hasShape(told, record, last)) {
      last = shapes.find((shape) => hasShape(told, record, shape)) ?? shapeOf(told, fillableNames, record);
      if (last.records.length === 0) shapes.push(last);
    }
    last.records.push(pending);
  }
  return shapes;
}

function hasShape(told: readonly Field[], record: GivenRecord, { gives }: Shape): boolean {
  let place = 0;
  for (const field of told) {
    if (gives[place] !== isGiven(field, record[field.name])) return false;
    place += 1;
  }
  return true;
}

function shapeOf(told: readonly Field[], fillable: ReadonlySet<string>, record: GivenRecord): Shape {
  const gives = told.map((field) => isGiven(field, record[field.name]));
  const given = new Set(told.filter((_, place) => gives[place]).map(({ name }) => name));
  const partial = told.some(({ required }, place) => required && !gives[place]);
  const name = `${[...given].join(',')};${[...fillable].join(',')}`;
  return { given, gives, fillable, name, partial, records: [] };
}

/** The columns of a write, in the order of a row. */
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
  { given, fillable }: Pick<Shape, 'given' | 'fillable'>,
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
    const value = fillable.has(name) ? `COALESCE(${incoming(name)}, ${quote(name)})` : incoming(name);
    const newest = `CASE WHEN ${incoming('version')} >= ${quote('version')} THEN ${value} ELSE ${quote(name)} END`;
    return assign(name, newest);
  };
  const fields = collection.fields.filter(
    ({ name }) => name !== collection.key && (given.has(name) || fillable.has(name)),
  );
  return [...fields.map(assignment), larger('created_at', '<'), larger('updated_at'), larger('version')];
}

/** Null gives a counter nothing: a counter cannot be cleared. */
function isGiven(field: Field, value: unknown): boolean {
  return value !== undefined && (value !== null || field.merge !== 'greatest');
}

/** The values of a record: one for every field of the collection, then for every column of the envelope. */
export function rowOf(collection: Collection, { record, version, firstVersion }: PendingRecord): SqlValue[] {
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
