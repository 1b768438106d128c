import type { Flusher, FlushResult } from '../../engine/flusher.ts';
import type { Accepted, Batch, Intake } from '../../engine/intake.ts';
import type { Clock } from '../../platform/clock.ts';
import { ServiceError } from '../../platform/errors.ts';
import { formatInstant } from '../../platform/instant.ts';
import type { Collection } from '../../storage/collection.ts';
import { type Condition, type StorageBackend, type StoredRecord, scan } from '../../storage/contract.ts';
import type { StorageRegistry } from '../../storage/registry.ts';
import { sessions, tasks, unfinishedStatuses } from './records.ts';
import { type SessionView, sessionView, type TaskView, taskView } from './views.ts';

export interface TaskFilter {
  status?: string;
  sheet_name?: string;
}

export interface Page<Item> {
  total: number;
  page: number;
  page_size: number;
  total_pages: number;
  items: Item[];
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
  readonly #flushLimitMs: number;

  constructor(parts: {
    intake: Intake;
    flusher: Flusher;
    registry: StorageRegistry;
    clock: Clock;
    flushLimitMs: number;
  }) {
    this.#intake = parts.intake;
    this.#flusher = parts.flusher;
    this.#backend = (collection) => parts.registry.backendOf(collection);
    this.#clock = parts.clock;
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
      `${result.held} tasks wait for a session that has not been sent; everything else is in storage`,
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

  /**
   * One page of a session's tasks, in the order in which they were first accepted.
   * @throws ServiceError NOT_FOUND
   */
  async sessionTasks(
    id: string,
    filter: TaskFilter,
    page: number,
    pageSize: number,
  ): Promise<Page<TaskView>> {
    await this.#stored(sessions, id, 'Session not found');
    const backend = this.#backend(tasks);
    const where: Condition[] = [{ field: 'session_id', is: 'equal', value: id }];
    if (filter.status !== undefined) where.push({ field: 'status', is: 'equal', value: filter.status });
    if (filter.sheet_name !== undefined)
      where.push({ field: 'sheet_name', is: 'equal', value: filter.sheet_name });
    const [total, rows] = await Promise.all([
      backend.count(tasks, where),
      backend.query(tasks, {
        where,
        orderBy: { field: 'created_at', direction: 'asc' },
        limit: pageSize,
        offset: (page - 1) * pageSize,
      }),
    ]);
    return {
      total,
      page,
      page_size: pageSize,
      total_pages: Math.ceil(total / pageSize),
      items: rows.map(taskView),
    };
  }

  /** Every session that is pending or processing, those included that are only in the buffer so far. */
  async incompleteSessions(): Promise<SessionView[]> {
    await this.#flusher.flush(this.#flushLimitMs);
    const found: SessionView[] = [];
    for await (const stored of this.#unfinished(sessions, [])) found.push(sessionView(stored));
    return found;
  }

  /**
   * A session with every task that is pending or processing, those included that are only in the buffer so far.
   * @throws ServiceError NOT_FOUND
   */
  async restore(id: string): Promise<Restored> {
    await this.#flusher.flush(this.#flushLimitMs);
    const session = await this.session(id);
    const restoredAt = formatInstant(Math.floor(this.#clock.nowMs() / 1000) * 1000);
    return { session, tasks: this.#unfinishedTasks(id), restoredAt };
  }

  async *#unfinishedTasks(sessionId: string): AsyncGenerator<TaskView> {
    const ofSession: Condition = { field: 'session_id', is: 'equal', value: sessionId };
    for await (const stored of this.#unfinished(tasks, [ofSession])) yield taskView(stored);
  }

  /** One state after the other: an index holds the records of a state in the order of their keys. */
  async *#unfinished(collection: Collection, where: readonly Condition[]): AsyncGenerator<StoredRecord> {
    for (const status of unfinishedStatuses) {
      yield* scan(this.#backend(collection), collection, [
        ...where,
        { field: 'status', is: 'equal', value: status },
      ]);
    }
  }

  async #stored(collection: Collection, id: string, message: string): Promise<StoredRecord> {
    const stored = await this.#backend(collection).read(collection, id);
    if (stored === undefined)
      throw new ServiceError('NOT_FOUND', message, { extra: { [collection.key]: id } });
    return stored;
  }
}
