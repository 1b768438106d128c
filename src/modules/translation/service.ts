import type { Flusher, FlushResult } from '../../engine/flusher.ts';
import type { Accepted, Batch, Intake } from '../../engine/intake.ts';
import type { Clock } from '../../platform/clock.ts';
import { ServiceError } from '../../platform/errors.ts';
import { formatSecond } from '../../platform/instant.ts';
import type { Collection } from '../../storage/collection.ts';
import { type Condition, type StorageBackend, type StoredRecord, scan } from '../../storage/contract.ts';
import type { StorageRegistry } from '../../storage/registry.ts';
import { acceptedBetween, type Listing, listPage, type Page } from './listing.ts';
import { sessions, tasks, unfinishedStatuses } from './records.ts';
import type { RecoveryLog } from './recovery.ts';
import type { Statistics } from './statistics.ts';
import type { Totals } from './totals.ts';
import { type SessionView, sessionView, type TaskView, taskView } from './views.ts';

/** What sessions are asked for; each given one must hold. */
export interface SessionFilter {
  status?: string | undefined;
  llm_provider?: string | undefined;
  /** A part of the name. */
  filename?: string | undefined;
  from_date?: string | undefined;
  to_date?: string | undefined;
}

/** What tasks are asked for; each given one must hold. */
export interface TaskFilter {
  session_id?: string | undefined;
  status?: string | undefined;
  batch_id?: string | undefined;
  sheet_name?: string | undefined;
  from_date?: string | undefined;
  to_date?: string | undefined;
}

/** Unfinished work of a session: the tasks come one by one, however many they are. */
export interface Restored {
  session: SessionView;
  tasks: AsyncIterable<TaskView>;
  restoredAt: string;
}

/** What the translation endpoints do, with plain values: it knows nothing of HTTP. */
export class TranslationService {
  readonly #intake: Intake;
  readonly #flusher: Flusher;
  readonly #backend: (collection: Collection) => StorageBackend;
  readonly #clock: Clock;
  readonly #recovery: RecoveryLog;
  readonly #totals: Totals;
  readonly #flushLimitMs: number;

  constructor(parts: {
    intake: Intake;
    flusher: Flusher;
    registry: StorageRegistry;
    clock: Clock;
    recovery: RecoveryLog;
    totals: Totals;
    flushLimitMs: number;
  }) {
    this.#intake = parts.intake;
    this.#flusher = parts.flusher;
    this.#backend = (collection) => parts.registry.backendOf(collection);
    this.#clock = parts.clock;
    this.#recovery = parts.recovery;
    this.#totals = parts.totals;
    this.#flushLimitMs = parts.flushLimitMs;
  }

  acceptSessions(batch: Batch): Promise<Accepted> {
    return this.#intake.accept(sessions, batch);
  }

  acceptTasks(batch: Batch): Promise<Accepted> {
    return this.#intake.accept(tasks, batch);
  }

  /**
   * Resolves when everything accepted before the call is in storage.
   * @throws ServiceError FLUSH_INCOMPLETE, FLUSH_TIMEOUT, STORAGE_UNAVAILABLE
   */
  async flush(): Promise<FlushResult> {
    const result = await this.#flusher.flush(this.#flushLimitMs);
    if (result.held === 0) return result;
    throw new ServiceError(
      'FLUSH_INCOMPLETE',
      `${result.held} records wait: for a session that has not been sent, or because storage refuses them without saying why; everything else is in storage`,
      { extra: { held_tasks: result.held }, retryAfterSeconds: 5 },
    );
  }

  /** @throws ServiceError NOT_FOUND */
  async session(id: string): Promise<SessionView> {
    return sessionView(await this.#stored(sessions, id, 'Session not found'));
  }

  /** @throws ServiceError NOT_FOUND */
  async task(id: string): Promise<TaskView> {
    return taskView(await this.#stored(tasks, id, 'Task not found'));
  }

  /** Writes what this instance has buffered, so that the read that follows sees it. */
  async freshen(): Promise<void> {
    await this.#flusher.flush(this.#flushLimitMs);
    this.#totals.clear();
  }

  /** One page of all sessions. */
  sessions(filter: SessionFilter, listing: Listing): Promise<Page<SessionView>> {
    const where = conditionsOf(filter, ['status', 'llm_provider']);
    if (filter.filename !== undefined)
      where.push({ field: 'filename', is: 'contains', value: filter.filename });
    return listPage(this.#totals, this.#backend(sessions), sessions, where, listing, sessionView);
  }

  /** One page of all tasks. */
  tasks(filter: TaskFilter, listing: Listing): Promise<Page<TaskView>> {
    const where = conditionsOf(filter, ['session_id', 'status', 'batch_id', 'sheet_name']);
    return listPage(this.#totals, this.#backend(tasks), tasks, where, listing, taskView);
  }

  /**
   * One page of a session's tasks.
   * @throws ServiceError NOT_FOUND
   */
  async sessionTasks(id: string, filter: TaskFilter, listing: Listing): Promise<Page<TaskView>> {
    await this.#stored(sessions, id, 'Session not found');
    return await this.tasks({ ...filter, session_id: id }, listing);
  }

  /** Every session that is pending or processing, those included that are only in the buffer so far. */
  async incompleteSessions(): Promise<SessionView[]> {
    await this.freshen();
    const found: SessionView[] = [];
    for await (const stored of this.#unfinished(sessions, [])) found.push(sessionView(stored));
    return found;
  }

  /**
   * A session with every task that is pending or processing, those included that are only in the buffer so far.
   * @throws ServiceError NOT_FOUND
   */
  async restore(id: string): Promise<Restored> {
    await this.freshen();
    const session = await this.session(id);
    const restoredAt = formatSecond(this.#clock.nowMs());
    return { session, tasks: this.#recovery.count(this.#unfinishedTasks(id)), restoredAt };
  }

  /**
   * Changes the state of a session and nothing else, in the order in which batches are accepted.
   * @throws ServiceError NOT_FOUND
   */
  async setStatus(id: string, status: SessionView['status']): Promise<Accepted> {
    const records = [{ session_id: id, status }];
    const batch = { records, bytes: Buffer.from(JSON.stringify({ sessions: records })) };
    return await this.#intake.accept(sessions, batch, async () => {
      // An outage refuses no update: it has no effect if there is no such session.
      const exists = await this.#intake.exists(sessions, id).catch(() => true);
      if (!exists) throw notFound(sessions, id, 'Session not found');
    });
  }

  statistics(): Promise<Statistics> {
    return this.#totals.statistics(this.#backend(sessions));
  }

  recoveryStatus() {
    return this.#recovery.status();
  }

  async *#unfinishedTasks(sessionId: string): AsyncGenerator<TaskView> {
    const ofSession: Condition = { field: 'session_id', is: 'equal', value: sessionId };
    for await (const stored of this.#unfinished(tasks, [ofSession])) yield taskView(stored);
  }

  /** One state after the other: an index holds the records of a state in the order of their acceptance. */
  async *#unfinished(collection: Collection, where: readonly Condition[]): AsyncGenerator<StoredRecord> {
    for (const status of unfinishedStatuses) {
      const ofStatus: Condition = { field: 'status', is: 'equal', value: status };
      yield* scan(this.#backend(collection), collection, [...where, ofStatus], { by: 'created_at' });
    }
  }

  async #stored(collection: Collection, id: string, message: string): Promise<StoredRecord> {
    const stored = await this.#backend(collection).read(collection, id);
    if (stored === undefined) throw notFound(collection, id, message);
    return stored;
  }
}

function notFound(collection: Collection, id: string, message: string): ServiceError {
  return new ServiceError('NOT_FOUND', message, { extra: { [collection.key]: id } });
}

interface DateFilter {
  from_date?: string | undefined;
  to_date?: string | undefined;
}

/** That the named fields equal what the filter gives, and that its dates hold. */
function conditionsOf<Filter extends DateFilter>(
  filter: Filter,
  fields: readonly Exclude<keyof Filter & string, keyof DateFilter>[],
): Condition[] {
  const equal = fields.flatMap((field): Condition[] => {
    const value = filter[field];
    return typeof value === 'string' ? [{ field, is: 'equal', value }] : [];
  });
  return [...equal, ...acceptedBetween(filter.from_date, filter.to_date)];
}
