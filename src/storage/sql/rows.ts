import { Column } from 'drizzle-orm';
import type { StoredRecord } from '../contract.ts';
import type { Columns } from './conditions.ts';

type Row = Record<string, unknown>;

/** Turns rows in place, as a driver gives them by the names of their columns, into records with the values of the columns. */
export function storedRecords(columns: Columns, rows: readonly Row[]): StoredRecord[] {
  const decoded = Object.entries(columns).filter(([, column]) => hasDecoder(column));
  for (const row of rows) {
    for (const [name, column] of decoded) {
      const value = row[name];
      if (value !== null) row[name] = column.mapFromDriverValue(value);
    }
  }
  return rows as StoredRecord[];
}

/** Most columns take what the driver gives. */
function hasDecoder(column: Column): boolean {
  return column.mapFromDriverValue !== Column.prototype.mapFromDriverValue;
}
