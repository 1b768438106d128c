import type { StorageKind } from '../bench.ts';
import { bigSessionId, type Dataset } from '../dataset.ts';

/** A read of the API, and the statement that gets its rows. */
export interface Read {
  path: string;
  statement?: string;
}

const prefix = '/api/v1/translation';
const pageSize = 20;
const deepPage = 500;

interface List {
  path: string;
  table: string;
  key: string;
  /** The rows it always has. */
  condition?: string;
  order: 'asc' | 'desc';
  filters: readonly Filter[];
  deepPage: number;
}

interface Filter {
  query: string;
  condition: string;
}

/** Every list with no filter and with each one, on its first page and a deep one; and the reads that are no list. */
export function readsOf(storage: StorageKind, { tasks, sessions }: Dataset): Read[] {
  const dates = dateFilter(storage);
  const equal = (field: string, value: string): Filter => ({
    query: `${field}=${encodeURIComponent(value)}`,
    condition: `${field} = '${value}'`,
  });
  const taskFilters = [
    equal('status', 'pending'),
    equal('status', 'completed'),
    equal('batch_id', 'batch_0'),
    equal('sheet_name', 'Dialogue'),
    dates,
  ];
  const lists: List[] = [
    {
      path: '/sessions',
      table: 'translation_sessions',
      key: 'session_id',
      order: 'desc',
      filters: [
        equal('status', 'processing'),
        equal('llm_provider', 'openai'),
        { query: 'filename=RPG', condition: "instr(lower(filename), 'rpg') > 0" },
        dates,
      ],
      deepPage: Math.min(deepPage, Math.max(2, Math.floor(sessions / pageSize))),
    },
    {
      path: '/tasks',
      table: 'translation_tasks',
      key: 'task_id',
      order: 'desc',
      filters: [...taskFilters, equal('session_id', bigSessionId)],
      deepPage: Math.min(deepPage, Math.max(2, Math.floor(tasks / 10 / pageSize))),
    },
    {
      path: `/sessions/${bigSessionId}/tasks`,
      table: 'translation_tasks',
      key: 'task_id',
      condition: `session_id = '${bigSessionId}'`,
      order: 'asc',
      filters: taskFilters,
      deepPage: Math.min(deepPage, Math.max(2, Math.floor(tasks / 10 / pageSize))),
    },
  ];
  return [...lists.flatMap(readsOfList), ...otherReads];
}

const otherReads: Read[] = [
  {
    path: `${prefix}/recovery/incomplete-sessions`,
    statement: "SELECT * FROM translation_sessions WHERE status IN ('pending', 'processing')",
  },
  { path: `${prefix}/stats` },
];

function readsOfList(list: List): Read[] {
  const pages = [1, list.deepPage];
  const filtered = [undefined, ...list.filters].flatMap((filter) =>
    pages.map((page) => readOf(list, { filter, page })),
  );
  const sorted = pages.flatMap((page) => [
    readOf(list, { page, sortBy: 'updated_at' }),
    readOf(list, { page, order: list.order === 'asc' ? 'desc' : 'asc' }),
  ]);
  return [...filtered, ...sorted];
}

function readOf(
  list: List,
  asked: { filter?: Filter | undefined; page: number; sortBy?: string; order?: 'asc' | 'desc' },
): Read {
  const { filter, page, sortBy, order } = asked;
  const query = [
    filter?.query,
    sortBy === undefined ? undefined : `sort_by=${sortBy}`,
    order === undefined ? undefined : `order=${order}`,
    page === 1 ? undefined : `page=${page}`,
  ].filter((part) => part !== undefined);
  const conditions = [list.condition, filter?.condition].filter((part) => part !== undefined);
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const direction = order ?? list.order;
  return {
    path: `${prefix}${list.path}${query.length === 0 ? '' : `?${query.join('&')}`}`,
    statement: `SELECT * FROM ${list.table}${where} ORDER BY ${sortBy ?? 'created_at'} ${direction}, ${list.key} ${direction} LIMIT ${pageSize + 1} OFFSET ${(page - 1) * pageSize}`,
  };
}

/** Half an hour of the data, however much there is. */
function dateFilter(storage: StorageKind): Filter {
  const [from, to] = ['2025-01-01T00:00:00', '2025-01-01T00:30:00'];
  const value = (text: string): string =>
    storage === 'mysql' ? `'${text.replace('T', ' ')}'` : String(Date.parse(`${text}Z`));
  return {
    query: `from_date=${from}Z&to_date=${to}Z`,
    condition: `created_at >= ${value(from)} AND created_at <= ${value(to)}`,
  };
}
