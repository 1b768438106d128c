import { isDeepStrictEqual } from 'node:util';
import type { Answer } from './api.ts';
import type { Call, Fields } from './histories.ts';
import { taskDefaults } from './records.ts';

/** A time that lies between these two, in milliseconds. */
type Span = readonly [fromMs: number, toMs: number];

interface Entry {
  fields: Fields;
  created: Span;
  updated: Span;
}

/**
 * What the service should hold: two maps. A world never changes; a call makes new ones of it, several where the
 * outcome is open.
 */
export interface World {
  sessions: ReadonlyMap<string, Entry>;
  tasks: ReadonlyMap<string, Entry>;
  /** Tasks that were accepted for another session than theirs. Storage will refuse them, at the latest in a flush. */
  strays: ReadonlyMap<string, Entry>;
  /** Tasks that the service has in memory for certain. */
  buffered: ReadonlySet<string>;
  /** Whether the service may flush at any time, and not only when it is asked to. */
  flushesByItself: boolean;
  /** When each session was deleted last. */
  deleted: ReadonlyMap<string, Span>;
  /** What another instance has accepted and not written yet. */
  elsewhere: readonly Late[];
}

/** Rows of one batch that waits elsewhere, every field given. */
interface Late {
  kind: 'sessions' | 'tasks';
  rows: readonly Fields[];
  during: Span;
}

/** What came of a call, and when it was on its way. The answer is missing when the service was killed meanwhile. */
export interface Outcome {
  answer?: Answer<Fields>;
  during: Span;
}

export const emptyWorld: World = {
  sessions: new Map(),
  tasks: new Map(),
  strays: new Map(),
  buffered: new Set(),
  flushesByItself: true,
  deleted: new Map(),
  elsewhere: [],
};

/** The worlds that calls made at the same time can lead to, given their answers: any order will do; none when an answer is wrong. */
export function worldsAfter(world: World, calls: readonly [Call, Outcome][]): World[] {
  // What two calls at a time do to each other, the service can only know for certain when it stores it.
  const start = calls.length > 1 ? { ...world, flushesByItself: true } : world;
  const orders = (from: World, left: typeof calls): World[] =>
    left.length === 0
      ? [from]
      : left.flatMap((each, index) =>
          worldsAfterOne(from, each).flatMap((next) => orders(next, left.toSpliced(index, 1))),
        );
  return orders(start, calls);
}

function worldsAfterOne(world: World, [call, { answer, during }]: [Call, Outcome]): World[] {
  const effects = effectsOf(world, call, during);
  const possible = answer === undefined ? effects : effects.filter(({ answers }) => answers(answer));
  const worlds = possible.flatMap((effect) => effect.worlds);
  return answer === undefined ? [world, ...worlds] : worlds;
}

/** Each world once. */
export function distinct(worlds: readonly World[]): World[] {
  return worlds.filter(
    (world, index) => worlds.findIndex((other) => isDeepStrictEqual(world, other)) === index,
  );
}

/** The same after everything buffered was written, or may have been. */
export function flushed(world: World, certainly: boolean): World {
  return { ...world, buffered: new Set(), strays: certainly ? new Map() : world.strays };
}

/** The same after another instance has accepted a batch; it refuses one of sessions that it cannot see. */
export function acceptedElsewhere(world: World, late: Late): World {
  return { ...world, elsewhere: [...world.elsewhere, late] };
}

/** Whether something of a session waits elsewhere that the session's deletion has overtaken. */
export function isOvertaken({ deleted, elsewhere }: World): boolean {
  return elsewhere.some(({ rows, during }) =>
    rows.some(({ session_id }) => isLater(deleted.get(String(session_id)), during)),
  );
}

/**
 * The same after both instances have written what they had. Of a late row that is older than what is stored,
 * counters and the time of creation count and nothing else; of a deleted session, nothing.
 */
export function flushedElsewhere(world: World): World {
  const late = (kind: Late['kind']) =>
    world.elsewhere
      .filter((each) => each.kind === kind)
      .flatMap(({ rows, during }) => rows.map((row) => ({ row, during })))
      .filter(({ row, during }) => !isLater(world.deleted.get(String(row.session_id)), during));
  const sessions = withLateRows(world.sessions, late('sessions'), 'session_id', mergeSession);
  const ofSessions = late('tasks').filter(({ row }) => sessions.has(String(row.session_id)));
  const own = ofSessions.filter(({ row }) => !isForeign(world.tasks, row));
  const tasks = withLateRows(world.tasks, own, 'task_id', mergeTask);
  return { ...flushed(world, true), sessions, tasks, elsewhere: [] };
}

/** Calls come one after the other, at least a millisecond apart. */
function isLater(span: Span | undefined, than: Span): boolean {
  return span !== undefined && span[0] > than[1];
}

function withLateRows(
  entries: World['sessions'],
  late: readonly { row: Fields; during: Span }[],
  key: string,
  merge: Merge,
): World['sessions'] {
  const next = new Map(entries);
  for (const { row, during } of late) {
    const id = String(row[key]);
    const stored = next.get(id);
    const before = stored ?? { fields: merge(undefined, row), created: during, updated: during };
    const merged = merge(before.fields, row);
    const counted = counters.filter((name) => name in merged).map((name) => [name, merged[name]]);
    next.set(id, {
      fields: isLater(before.updated, during) ? { ...before.fields, ...Object.fromEntries(counted) } : merged,
      created: isLater(before.created, during) ? during : before.created,
      updated: isLater(before.updated, during) ? before.updated : during,
    });
  }
  return next;
}

/** One thing that a call may do, and the answers that say so. */
interface Effect {
  answers: (answer: Answer<Fields>) => boolean;
  worlds: World[];
}

function effectsOf(world: World, call: Call, during: Span): Effect[] {
  switch (call.kind) {
    case 'sessions': {
      const sessions = withRows(world.sessions, call.rows, 'session_id', during, mergeSession);
      return [{ answers: is(200, { count: call.rows.length }), worlds: [{ ...world, sessions }] }];
    }
    case 'tasks':
      return writeTasks(world, call.rows, during);
    case 'status':
      return changeStatus(world, call.session_id, call.status, during);
    case 'delete': {
      const { session_id } = call;
      if (!world.sessions.has(session_id)) return [notFound(flushed(world, false))];
      return withoutSessions(flushed(world, false), [session_id], during).map(({ world, tasks }) => ({
        answers: is(200, { status: 'deleted', session_id, deleted_tasks: tasks }),
        worlds: [world],
      }));
    }
    case 'cleanup':
      return cleanUp(world, call.request, during);
    case 'flush':
      return [{ answers: is(200, { status: 'flushed' }), worlds: [flushed(world, true)] }];
    case 'refused':
      return [{ answers: is(422, { error_code: 'VALIDATION_FAILED' }), worlds: [world] }];
  }
}

function writeTasks(world: World, rows: readonly Fields[], during: Span): Effect[] {
  const refused = (error_code: string) => ({ answers: is(422, { error_code }), worlds: [world] });
  const effects: Effect[] = [];
  const unknown = rows.some(({ session_id }) => !world.sessions.has(String(session_id)));
  if (unknown) effects.push(refused('SESSION_NOT_FOUND'));
  const foreign = rows.filter((row) => isForeign(world.tasks, row));
  const contradicted = rows.some((row) => rows.some((other) => disagree(row, other)));
  const knownForeign = contradicted || foreign.some(({ task_id }) => world.buffered.has(String(task_id)));
  if (knownForeign || foreign.length > 0 || rows.some((row) => isForeign(world.strays, row))) {
    effects.push(refused('TASK_SESSION_MISMATCH'));
  }
  if (unknown || knownForeign) return effects;
  const own = rows.filter((row) => !foreign.includes(row));
  effects.push({
    answers: is(200, { count: rows.length }),
    worlds: [
      {
        ...world,
        tasks: withRows(world.tasks, own, 'task_id', during, mergeTask),
        strays: withRows(world.strays, foreign, 'task_id', during, mergeTask),
        buffered: world.flushesByItself ? world.buffered : new Set([...world.buffered, ...idsOf(own)]),
      },
    ],
  });
  return effects;
}

function idsOf(rows: readonly Fields[]): string[] {
  return rows.map(({ task_id }) => String(task_id));
}

function isForeign(tasks: World['tasks'], row: Fields): boolean {
  const stored = tasks.get(String(row.task_id));
  return stored !== undefined && stored.fields.session_id !== row.session_id;
}

function disagree(row: Fields, other: Fields): boolean {
  return row.task_id === other.task_id && row.session_id !== other.session_id;
}

function changeStatus(world: World, sessionId: string, status: string, during: Span): Effect[] {
  const session = world.sessions.get(sessionId);
  if (session === undefined) return [notFound(world)];
  const fields = { ...session.fields, status };
  const sessions = new Map(world.sessions).set(sessionId, { ...session, fields, updated: during });
  return [{ answers: is(200, { session_id: sessionId, status }), worlds: [{ ...world, sessions }] }];
}

function cleanUp(world: World, request: Fields, during: Span): Effect[] {
  const expired = [...world.sessions].filter(
    ([, { fields }]) =>
      (fields.status === 'completed' && request.completed_days === 0) ||
      (fields.status === 'failed' && request.failed_days === 0),
  );
  const dryRun = request.dry_run === true;
  const done = { status: 'completed', deleted_sessions: expired.length, dry_run: dryRun };
  return withoutSessions(
    flushed(world, false),
    expired.map(([id]) => id),
    during,
  ).map((after) => ({
    answers: is(200, { ...done, deleted_tasks: after.tasks }),
    worlds: [dryRun ? flushed(world, false) : after.world],
  }));
}

/**
 * The world without some sessions and their tasks, and how many tasks went. A stray may count or not where its session
 * goes; where the session goes that it was kept from, it may be stored after all.
 */
function withoutSessions(
  world: World,
  ids: readonly string[],
  during: Span,
): { world: World; tasks: number }[] {
  const gone = ({ fields }: Entry) => ids.includes(String(fields.session_id));
  const count = [...world.tasks.values()].filter(gone).length;
  const lost = [...world.strays.values()].filter(gone).length;
  const freed = [...world.strays].filter(([id, stray]) => {
    const task = world.tasks.get(id);
    return task !== undefined && gone(task) && !gone(stray);
  });
  const without = <Key>(entries: ReadonlyMap<Key, Entry>) =>
    new Map([...entries].filter(([, each]) => !gone(each)));
  const rest = {
    ...world,
    sessions: without(world.sessions),
    tasks: without(world.tasks),
    strays: without(world.strays),
    deleted: new Map([...world.deleted, ...ids.map((id) => [id, during] as const)]),
  };
  const stored = { ...rest, tasks: new Map([...rest.tasks, ...freed]) };
  const outcomes = freed.length === 0 ? [rest] : [rest, stored];
  return outcomes.flatMap((each) =>
    Array.from({ length: lost + 1 }, (_, counted) => ({ world: each, tasks: count + counted })),
  );
}

function notFound(world: World): Effect {
  return { answers: is(404, { error_code: 'NOT_FOUND' }), worlds: [world] };
}

function is(status: number, body: Fields): Effect['answers'] {
  return (answer) =>
    answer.status === status &&
    Object.entries(body).every(([name, value]) => isDeepStrictEqual(answer.body[name], value));
}

type Merge = (before: Fields | undefined, row: Fields) => Fields;

function withRows(
  entries: World['sessions'],
  rows: readonly Fields[],
  key: string,
  during: Span,
  merge: Merge,
): World['sessions'] {
  const next = new Map(entries);
  for (const row of rows) {
    const id = String(row[key]);
    const before = next.get(id);
    next.set(id, {
      fields: merge(before?.fields, row),
      created: before?.created ?? during,
      updated: during,
    });
  }
  return next;
}

const sessionDefaults: Fields = {
  game_info: null,
  metadata: null,
  total_tasks: 0,
  completed_tasks: 0,
  failed_tasks: 0,
  processing_tasks: 0,
};
const sessionFields = [
  ...['session_id', 'filename', 'file_path', 'status', 'llm_provider'],
  ...Object.keys(sessionDefaults),
];
const counters = ['total_tasks', 'completed_tasks', 'failed_tasks'];

/** Absent keeps, null clears, a counter never goes down, unknown fields are ignored. */
function mergeSession(before: Fields = sessionDefaults, row: Fields): Fields {
  const after = { ...before };
  for (const name of sessionFields) {
    const value = row[name];
    if (value === undefined) continue;
    if (counters.includes(name)) after[name] = Math.max(Number(before[name]), Number(value ?? 0));
    else after[name] = value ?? sessionDefaults[name];
  }
  return after;
}

const taskFields = [
  ...['task_id', 'session_id', 'batch_id', 'sheet_name', 'row_index', 'column_name', 'source_text', 'status'],
  ...Object.keys(taskDefaults),
];

/** Absent keeps, null clears, a fraction has four decimals, a time is in UTC, unknown fields are ignored. */
function mergeTask(before: Fields = taskDefaults, row: Fields): Fields {
  const after = { ...before };
  for (const name of taskFields) {
    const value = row[name];
    if (value === undefined) continue;
    if (value === null) after[name] = taskDefaults[name];
    else if (name === 'confidence') after[name] = Number(Number(value).toFixed(4));
    else if (name.endsWith('_time')) after[name] = inUtc(String(value));
    else after[name] = value;
  }
  return after;
}

/** To the millisecond, which is written only where there is one. */
function inUtc(text: string): string {
  const [, date, time, fraction = '', offset = 'Z'] =
    /^(.{10})[T ](.{8})(\.\d+)?(Z|[+-].*)?$/.exec(text) ?? [];
  const instant = new Date(`${date}T${time}${fraction.slice(0, 4)}${offset}`);
  return instant.toISOString().replace('.000Z', 'Z');
}

/** What the lists show; sorted by id. */
export interface Seen {
  sessions: Fields[];
  tasks: Fields[];
}

/** The world with its times made sure, if it is what was seen; else what differs. */
export function recognised(world: World, seen: Seen): World | string {
  const sessions = recognisedEntries(world.sessions, seen.sessions, 'session_id', withComputed);
  if (typeof sessions === 'string') return sessions;
  const tasks = recognisedEntries(world.tasks, seen.tasks, 'task_id', (fields) => fields);
  return typeof tasks === 'string' ? tasks : { ...world, sessions, tasks };
}

function recognisedEntries(
  entries: World['sessions'],
  rows: readonly Fields[],
  key: string,
  view: (fields: Fields) => Fields,
): World['sessions'] | string {
  const ids = rows.map((row) => String(row[key]));
  const missing = [...entries.keys()].filter((id) => !ids.includes(id));
  if (missing.length > 0) return `missing ${key}: ${JSON.stringify(missing)}`;
  const sure = new Map<string, Entry>();
  for (const row of rows) {
    const id = String(row[key]);
    const entry = entries.get(id);
    if (entry === undefined) return `unexpected ${key}: ${JSON.stringify(row)}`;
    const { created_at, updated_at, estimated_completion: _, ...fields } = row;
    const [expected, got] = [canonical(view(entry.fields)), canonical(fields)];
    if (expected !== got) return `${key} ${JSON.stringify(id)}: expected ${expected}, got ${got}`;
    const [created, updated] = [Date.parse(String(created_at)), Date.parse(String(updated_at))];
    if (!within(created, entry.created) || !within(updated, entry.updated) || created > updated) {
      return `${key} ${JSON.stringify(id)}: created ${created_at} updated ${updated_at}, not in ${entry.created} and ${entry.updated}`;
    }
    sure.set(id, { ...entry, created: [created, created], updated: [updated, updated] });
  }
  return sure;
}

function within(timeMs: number, [fromMs, toMs]: Span): boolean {
  return timeMs >= fromMs && timeMs <= toMs;
}

function withComputed(fields: Fields): Fields {
  const [total = 0, completed = 0, failed = 0, processing = 0] = [...counters, 'processing_tasks'].map(
    (name) => Number(fields[name]),
  );
  return {
    ...fields,
    pending_tasks: Math.max(0, total - completed - failed - processing),
    progress: total === 0 ? 0 : Math.round((Math.min(completed, total) / total) * 1000) / 10,
  };
}

/** JSON with sorted keys: equal values have equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
