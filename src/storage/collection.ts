import { Kind, type TObject } from '@sinclair/typebox';
import type { FieldKind, FieldSchema, MergeRule } from './field.ts';

/** A record as a client sent it: only the fields it gave, in the API's form (instants are strings). */
export type GivenRecord = Readonly<Record<string, unknown>>;

export interface Field {
  name: string;
  kind: FieldKind;
  merge: MergeRule;
  /** Every write must give it; the others may be left out, or cleared with null. */
  required: boolean;
  /** What storage holds when a new record leaves the field out or clears it. */
  initial: number | null;
}

/**
 * A kind of record: its key, its fields and how they merge. It is all that the engine and a storage plugin know
 * of a record's meaning, so a further kind of record is one more definition, not another buffer.
 */
export interface Collection {
  /** The name in the journal, in configuration and of the table. Never reuse one for something else. */
  name: string;
  /** The field that identifies a record. */
  key: string;
  /** The field of a request's body that holds the records of a batch. */
  batchField: string;
  /** The collection a record belongs to; a record without its parent is not stored. */
  parent?: { collection: string; field: string };
  fields: readonly Field[];
  /** The names of its fields; of those that never change, but for the key; and of its counters. */
  names: ReadonlySet<string>;
  fixed: readonly string[];
  counters: readonly string[];
  /** The schema that its records were validated by. */
  schema: TObject;
}

type Definition = Pick<Collection, 'name' | 'key' | 'batchField' | 'parent'>;

/** Derives a collection from the schema that validates, types and documents its records. */
export function defineCollection(definition: Definition, schema: TObject): Collection {
  const required = new Set(schema.required);
  const fields = Object.entries(schema.properties).map(([name, property]): Field => {
    const { [Kind]: kind, 'x-merge': merge, 'x-initial': initial } = property as unknown as FieldSchema;
    return {
      name,
      kind,
      merge: name === definition.key ? 'fixed' : (merge ?? 'newest'),
      required: required.has(name),
      initial: initial ?? null,
    };
  });
  return collectionOf(definition, fields, schema);
}

/** A collection with these fields. */
export function collectionOf(definition: Definition, fields: readonly Field[], schema: TObject): Collection {
  const named = (rule: MergeRule): string[] =>
    fields.filter(({ merge }) => merge === rule).map(({ name }) => name);
  return {
    ...definition,
    fields,
    names: new Set(fields.map(({ name }) => name)),
    fixed: named('fixed').filter((name) => name !== definition.key),
    counters: named('greatest'),
    schema,
  };
}

/** The largest batch: the specification's limit. */
export const batchRecordsMax = 1000;

/** A record without the fields that its collection does not have: those are not kept, whatever is in them. */
export function knownFields(collection: Collection, given: GivenRecord): GivenRecord {
  for (const name in given) {
    if (!collection.names.has(name)) return withNames(given, collection.names);
  }
  return given;
}

function withNames(given: GivenRecord, names: ReadonlySet<string>): GivenRecord {
  const record: Record<string, unknown> = {};
  for (const name of names) {
    if (Object.hasOwn(given, name)) record[name] = given[name];
  }
  return record;
}

/** The key of a record. */
export function keyOf(collection: Collection, record: GivenRecord): string {
  return String(record[collection.key]);
}

/**
 * Merges two writes of one record into one, by each field's rule. A field that only one of them gives keeps
 * that value; null for a counter gives nothing, since a counter cannot be cleared.
 */
export function mergeRecords(collection: Collection, older: GivenRecord, newer: GivenRecord): GivenRecord {
  // Most writes give every field anew: then there is nothing to copy.
  let merged = givesAllOf(older, newer) ? newer : { ...older, ...newer };
  for (const name of collection.fixed) {
    if (merged[name] !== older[name]) merged = { ...merged, [name]: older[name] };
  }
  for (const name of collection.counters) {
    const value = greatest(older[name], merged[name]);
    if (merged[name] !== value) merged = { ...merged, [name]: value };
  }
  return merged;
}

function givesAllOf(older: GivenRecord, newer: GivenRecord): boolean {
  for (const name in older) {
    if (!Object.hasOwn(newer, name)) return false;
  }
  return true;
}

function greatest(before: unknown, after: unknown): unknown {
  if (typeof before !== 'number') return after;
  return typeof after === 'number' ? Math.max(before, after) : before;
}

/** The fixed field in which two writes of one record differ, or undefined. */
export function changedFixedField(
  collection: Collection,
  older: GivenRecord,
  newer: GivenRecord,
): string | undefined {
  for (const name of collection.fixed) {
    if (older[name] !== newer[name]) return name;
  }
  return undefined;
}
