import { ServiceError } from '../../platform/errors.ts';
import { parseInstant } from '../../platform/instant.ts';
import type { Collection } from '../../storage/collection.ts';
import type { Condition, Query, StorageBackend, StoredRecord } from '../../storage/contract.ts';
import type { Totals } from './totals.ts';

export const sortFields = ['created_at', 'updated_at'] as const;
export const sortOrders = ['asc', 'desc'] as const;

/** Which part of a list is asked for. */
export interface Listing {
  page?: number | undefined;
  pageSize: number;
  /** Where an earlier page ended; instead of `page`. */
  cursor?: string | undefined;
  sortBy: (typeof sortFields)[number];
  order: (typeof sortOrders)[number];
}

export interface Page<Item> {
  total: number;
  /** Null for a page behind a cursor. */
  page: number | null;
  page_size: number;
  total_pages: number;
  /** Where the next page begins; null on the last one. */
  next_cursor: string | null;
  items: Item[];
}

/**
 * One page of the records that match, sorted, with ties broken by the key.
 * @throws ServiceError VALIDATION_FAILED for a cursor that is none, or is of another sorting.
 */
export async function listPage<Item>(
  totals: Totals,
  backend: StorageBackend,
  collection: Collection,
  where: readonly Condition[],
  listing: Listing,
  view: (stored: StoredRecord) => Item,
): Promise<Page<Item>> {
  const { page = 1, pageSize, cursor, sortBy, order } = listing;
  const place: Pick<Query, 'after' | 'offset'> =
    cursor === undefined ? { offset: (page - 1) * pageSize } : { after: placeOf(listing, cursor) };
  const orderBy = { field: sortBy, direction: order };
  const [total, rows] = await Promise.all([
    totals.count(backend, collection, where),
    // One row more than asked for tells whether there is a next page.
    backend.query(collection, { where, orderBy, limit: pageSize + 1, ...place }),
  ]);
  const shown = rows.slice(0, pageSize);
  const last = rows.length > pageSize ? shown.at(-1) : undefined;
  return {
    total,
    page: cursor === undefined ? page : null,
    page_size: pageSize,
    total_pages: Math.ceil(total / pageSize),
    next_cursor: last === undefined ? null : cursorAt(listing, last, String(last[collection.key])),
    items: shown.map(view),
  };
}

/** The condition that a time of acceptance lies from one date to another, both included; a day includes all of it. */
export function acceptedBetween(fromDate: string | undefined, toDate: string | undefined): Condition[] {
  const conditions: Condition[] = [];
  const fromMs = fromDate === undefined ? undefined : parseInstant(fromDate);
  const toMs = toDate === undefined ? undefined : parseInstant(toDate);
  if (fromMs !== undefined) conditions.push({ field: 'created_at', is: 'at least', value: fromMs });
  if (toMs !== undefined) {
    const isDay = toDate?.length === 'YYYY-MM-DD'.length;
    conditions.push({ field: 'created_at', is: 'at most', value: isDay ? toMs + dayMs - 1 : toMs });
  }
  return conditions;
}

const dayMs = 86_400_000;

/** A cursor is the sorting and the last row's place in it, opaque to clients. */
function cursorAt({ sortBy, order }: Listing, last: StoredRecord, key: string): string {
  return Buffer.from(JSON.stringify([sortBy, order, last[sortBy], key])).toString('base64url');
}

function placeOf({ sortBy, order }: Listing, cursor: string): NonNullable<Query['after']> {
  const [cursorSort, cursorOrder, value, key] = decoded(cursor);
  if (typeof value !== 'number' || typeof key !== 'string') throw badCursor('is no cursor of this service');
  if (cursorSort !== sortBy || cursorOrder !== order) {
    throw badCursor(`is of a list with sort_by=${cursorSort} and order=${cursorOrder}; ask with the same`);
  }
  return { value, key };
}

function decoded(cursor: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

function badCursor(message: string): ServiceError {
  return new ServiceError('VALIDATION_FAILED', `Invalid request: cursor ${message}`, {
    errors: [{ field: 'cursor', message }],
  });
}
