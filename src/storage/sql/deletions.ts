import type { Collection } from '../collection.ts';
import type { PendingRecord } from '../contract.ts';
import type { FieldKind } from '../field.ts';

/** The versions of deletions, by the key of the deleted record. */
export type DeletedVersions = ReadonlyMap<string, number>;

/** Whose deletion a write of this collection respects: that of the record it belongs to, or else its own. */
export function deletionGuard({ name, key, parent }: Collection): { collection: string; field: string } {
  return parent ?? { collection: name, field: key };
}

/** The keys that may be deleted, each once, as the guard of these records names them. */
export function guardedKeys(collection: Collection, records: readonly PendingRecord[]): string[] {
  const { field } = deletionGuard(collection);
  return [...new Set(records.map(({ record }) => String(record[field])))];
}

/** Those records that are newer than the deletion that would swallow them. */
export function notDeleted(
  collection: Collection,
  records: readonly PendingRecord[],
  deleted: DeletedVersions,
): readonly PendingRecord[] {
  if (deleted.size === 0) return records;
  const { field } = deletionGuard(collection);
  return records.filter(({ record, version }) => version > (deleted.get(String(record[field])) ?? 0));
}

/**
 * The expression that gives a whole row as a JSON object.
 * @param expressionOf the expression for a column; a document has to be nested, not quoted.
 */
export function jsonObjectOf(
  collection: Collection,
  expressionOf: (column: string, kind: FieldKind) => string,
): string {
  const fields = collection.fields.map(({ name, kind }) => `'${name}', ${expressionOf(name, kind)}`);
  const times = ['created_at', 'updated_at'].map((name) => `'${name}', ${expressionOf(name, 'Instant')}`);
  return `json_object(${[...fields, ...times].join(', ')})`;
}
