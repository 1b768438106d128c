import { type Remedy, StorageError } from '../contract.ts';

/** What to do about each error of SQLite, by the start of its code. Source: https://sqlite.org/rescode.html */
const remedies: readonly (readonly [prefix: string, Remedy])[] = [
  ['SQLITE_CONSTRAINT', 'refuse'],
  ['SQLITE_MISMATCH', 'refuse'],
  ['SQLITE_TOOBIG', 'refuse'],
  ['SQLITE_BUSY', 'retry'],
  ['SQLITE_LOCKED', 'retry'],
  ['SQLITE_FULL', 'retry'],
  ['SQLITE_IOERR', 'retry'],
  ['SQLITE_NOMEM', 'retry'],
  ['SQLITE_CANTOPEN', 'retry'],
  ['SQLITE_READONLY', 'retry'],
  ['SQLITE_PROTOCOL', 'retry'],
  ['SQLITE_INTERRUPT', 'retry'],
  ['SQLITE_ABORT', 'retry'],
  ['SQLITE_NOLFS', 'retry'],
  ['SQLITE_CORRUPT', 'pause'],
  ['SQLITE_NOTADB', 'pause'],
  ['SQLITE_FORMAT', 'pause'],
  ['SQLITE_PERM', 'pause'],
  ['SQLITE_AUTH', 'pause'],
  ['SQLITE_SCHEMA', 'pause'],
  ['SQLITE_ERROR_RETRY', 'retry'],
  ['SQLITE_ERROR_SNAPSHOT', 'retry'],
  // A missing table or column: statements are built from the schema, so it is the file that differs.
  ['SQLITE_ERROR', 'pause'],
];

/** Turns whatever bun:sqlite throws into a `StorageError`. */
export function sqliteError(thrown: unknown): StorageError {
  if (thrown instanceof StorageError) return thrown;
  let error = thrown;
  while (error instanceof Error && error.cause instanceof Error) error = error.cause;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN';
  const remedy = remedies.find(([prefix]) => code.startsWith(prefix))?.[1] ?? 'unknown';
  return new StorageError(remedy, code, error instanceof Error ? error.message : String(error), thrown);
}
