import type { PendingDeletion } from '../../engine/deletion.ts';
import type { Flusher } from '../../engine/flusher.ts';
import type { Intake } from '../../engine/intake.ts';
import type { Clock } from '../../platform/clock.ts';
import { describeError, ServiceError } from '../../platform/errors.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Condition, StorageBackend, StoredRecord } from '../../storage/contract.ts';
import type { StorageRegistry } from '../../storage/registry.ts';
import { sessions, tasks } from './records.ts';
import type { Totals } from './totals.ts';

/** Whether deleted rows are gone at once, or kept aside until they are purged. */
export const deleteModes = ['hard', 'soft'] as const;
export type DeleteMode = (typeof deleteModes)[number];

/** How long a session is kept after its last write, in days, by how it ended; other sessions are kept. */
export interface Retention {
  completedDays: number;
  failedDays: number;
  /** How long it is known what was deleted, soft-deleted rows included. */
  deletedDays: number;
  mode: DeleteMode;
}

export interface Removed {
  sessions: number;
  tasks: number;
}

const dayMs = 86_400_000;
/** Sessions of one journal frame: flushes of other records wait until it is done. */
const sessionsAtATime = 10;
const purgedAtATime = 500;
/** A large session takes longer to delete than a flush may take to wait for. */
const deletionLimitMs = 60_000;

/** Deletes sessions with their tasks: one that is named, or those whose retention has passed. */
export class Removal {
  readonly #intake: Intake;
  readonly #flusher: Flusher;
  readonly #backend: StorageBackend;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #totals: Totals;
  readonly retention: Retention;

  constructor(parts: {
    intake: Intake;
    flusher: Flusher;
    registry: StorageRegistry;
    clock: Clock;
    logger: Logger;
    totals: Totals;
    retention: Retention;
  }) {
    this.#intake = parts.intake;
    this.#flusher = parts.flusher;
    this.#backend = parts.registry.backendOf(sessions);
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#totals = parts.totals;
    this.retention = parts.retention;
  }

  /**
   * Deletes a session with all its tasks, whatever of it is stored, buffered or journaled.
   * @returns how many tasks it had.
   * @throws ServiceError NOT_FOUND; FLUSH_TIMEOUT or STORAGE_UNAVAILABLE when it is accepted but not done yet.
   */
  async deleteSession(id: string, mode: DeleteMode = this.retention.mode): Promise<number> {
    const request = { key: id, keep: mode === 'soft' };
    const deletions = await this.#intake.delete(sessions, [request], async () => {
      if (await this.#intake.exists(sessions, id)) return;
      throw new ServiceError('NOT_FOUND', 'Session not found', { extra: { session_id: id } });
    });
    const removed = await this.#carryOut(deletions);
    this.#logger.info('A session was deleted', { sessionId: id, mode, tasks: removed.tasks });
    return removed.tasks;
  }

  /**
   * Deletes every session whose retention has passed; with `dryRun` it only counts them.
   * @throws ServiceError CLEANUP_RUNNING
   */
  async cleanUp(retention: Retention, dryRun: boolean): Promise<Removed> {
    const removed = await this.#backend.exclusively('cleanup', async () => {
      // What is buffered may say that a session is not over.
      await this.#flusher.flush(deletionLimitMs);
      return await this.#cleanUpEach(retention, dryRun);
    });
    if (removed !== undefined) return removed;
    throw new ServiceError('CLEANUP_RUNNING', 'A clean-up is running already, perhaps of another instance');
  }

  /** The clean-up of the schedule, which also purges what was deleted long ago. What fails is tried the next time. */
  async runSchedule(): Promise<void> {
    try {
      const removed = await this.cleanUp(this.retention, false);
      const purged = await this.#purge();
      this.#logger.info('The scheduled clean-up is done', { ...removed, purged });
    } catch (error) {
      this.#logger.warn('The scheduled clean-up was not done; the next one tries again', {
        error: describeError(error),
      });
    }
  }

  async #cleanUpEach({ completedDays, failedDays, mode }: Retention, dryRun: boolean): Promise<Removed> {
    const total = { sessions: 0, tasks: 0 };
    for (const [status, days] of [
      ['completed', completedDays],
      ['failed', failedDays],
    ] as const) {
      const lastWriteMs = this.#clock.nowMs() - days * dayMs;
      for await (const ids of this.#expired(status, lastWriteMs)) {
        const removed = dryRun
          ? { sessions: ids.length, tasks: await this.#tasksOf(ids) }
          : await this.#deleteExpired(ids, lastWriteMs, mode);
        total.sessions += removed.sessions;
        total.tasks += removed.tasks;
      }
    }
    return total;
  }

  async *#expired(status: string, lastWriteMs: number): AsyncGenerator<string[]> {
    const where: Condition[] = [
      { field: 'status', is: 'equal', value: status },
      { field: 'updated_at', is: 'at most', value: lastWriteMs },
    ];
    const orderBy = { field: sessions.key, direction: 'asc' } as const;
    let last: string | undefined;
    for (;;) {
      const after = last === undefined ? {} : { after: { value: last, key: last } };
      const page = await this.#backend.query(sessions, { where, orderBy, limit: sessionsAtATime, ...after });
      const ids = page.map((stored: StoredRecord) => String(stored[sessions.key]));
      if (ids.length > 0) yield ids;
      if (ids.length < sessionsAtATime) return;
      last = ids.at(-1);
    }
  }

  async #deleteExpired(ids: readonly string[], lastWriteMs: number, mode: DeleteMode): Promise<Removed> {
    // The last microsecond in which a write can have been the last one.
    const unlessNewerThan = lastWriteMs * 1000 + 999;
    const requests = ids.map((key) => ({ key, unlessNewerThan, keep: mode === 'soft' }));
    return await this.#carryOut(await this.#intake.delete(sessions, requests));
  }

  #tasksOf(ids: readonly string[]): Promise<number> {
    return this.#backend.count(tasks, [{ field: 'session_id', is: 'any of', values: ids }]);
  }

  async #carryOut(deletions: readonly PendingDeletion[]): Promise<Removed> {
    await this.#flusher.flush(deletionLimitMs);
    this.#totals.clear();
    const sum = (name: string): number =>
      deletions.reduce((total, { removed }) => total + (removed.get(name) ?? 0), 0);
    return { sessions: sum(sessions.name), tasks: sum(tasks.name) };
  }

  async #purge(): Promise<number> {
    const beforeMs = this.#clock.nowMs() - this.retention.deletedDays * dayMs;
    let total = 0;
    for (let purged = purgedAtATime; purged === purgedAtATime; total += purged) {
      purged = await this.#backend.purge(beforeMs, purgedAtATime);
    }
    return total;
  }
}
