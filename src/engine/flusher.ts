import type { Journal } from '../journal/journal.ts';
import { type Clock, withTimeLimit } from '../platform/clock.ts';
import { describeError, ServiceError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import { collectGarbageAbove } from '../platform/memory.ts';
import type { Collection } from '../storage/collection.ts';
import type { Remedy } from '../storage/contract.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { Backlog } from './backlog.ts';
import { ChunkWriter, type Suspect } from './chunk-writer.ts';
import { chunksByKey } from './chunks.ts';
import { Deleter } from './deleter.ts';
import { type BufferedRecord, type FlushSet, sizeOf } from './flush-set.ts';
import { Orphans } from './orphans.ts';
import type { Quarantine } from './quarantine.ts';
import { type HoldUp, RetryLoop, Stopped } from './retry-loop.ts';
import type { WriteBuffer } from './write-buffer.ts';

/** So many records that storage refuses for a reason nobody knows are tried again among others; more are an outage. */
const heldSuspectsMax = 1000;

/** Storage works on one while the next one is made ready, and on both where it has the processors. */
const chunksAtATime = 2;

/** Above this much memory a set of so many records, and the texts they came from, are collected once it is stored. */
const residentBytesMax = 192 * 1024 * 1024;
const largeSetRecords = 10_000;

export interface FlusherOptions {
  /** So many waiting records start a flush. */
  maxBufferSize: number;
  /** A flush starts this long after the last one ended. */
  flushIntervalMs: number;
  /** A flush starts when the journal has room for less than this: it releases segments. */
  journalHeadroomBytes: number;
  /** How long a record waits for its parent before it is quarantined; undefined: not at all. */
  holdMsMax?: number | undefined;
}

export interface FlusherParts {
  backlog: Backlog;
  buffer: WriteBuffer;
  journal: Journal;
  registry: StorageRegistry;
  quarantine: Quarantine;
  clock: Clock;
  logger: Logger;
  /** A number from 0 to 1, for the jitter of retries. */
  random: () => number;
}

export const flusherModes = ['idle', 'flushing', 'retrying', 'paused', 'stopped'] as const;
export type FlusherState = { mode: 'idle' } | { mode: 'flushing' } | HoldUp | { mode: 'stopped' };

export interface FlushResult {
  /** Records written while the call waited, by the name of their collection. */
  written: ReadonlyMap<string, number>;
  /** Records that storage does not have because they still wait for their parent. */
  held: number;
  durationMs: number;
}

export interface FlushStatistics {
  flushes: number;
  written: ReadonlyMap<string, number>;
  lastFlushAtMs: number | undefined;
  /** When the timer starts the next flush, unless something else does before; undefined while one runs. */
  nextFlushAtMs: number | undefined;
  /** Flushes since midnight, UTC. */
  flushesToday: number;
  /** How long all flushes took together. */
  durationMsTotal: number;
  /** Attempts that failed, by what there is to do about it. */
  errors: ReadonlyMap<Remedy, number>;
}

/**
 * The second half of a record's way: buffer → storage → checkpoint.
 *
 * Modes:
 * - `idle`: waits for the timer, for `maxBufferSize` records, for a journal that fills up, or for `flush`.
 * - `flushing`: writes the set it took from the buffer, parents before what belongs to them, by key, in chunks.
 * - `retrying`, `paused`: storage does not take a chunk, which is tried again, for ever, with growing delays; in
 *   `paused` only a person can mend it. `flush` cuts a delay short.
 * - `stopped`: for good.
 *
 * Transitions: idle ⇄ flushing ⇄ retrying, paused; any → stopped.
 *
 * Invariants: one set is written at a time, and it is dropped, in memory and in the journal, only after storage
 * has all of it, but for what the quarantine has, and what is held for its parent and stays in both.
 */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #parts: FlusherParts;
  readonly #retry: RetryLoop;
  readonly #deleter: Deleter;
  readonly #writer: ChunkWriter;
  readonly #orphans: Orphans | undefined;
  #mode: 'idle' | 'flushing' | 'stopped' = 'idle';
  #demanded = false;
  #running: Promise<void> = Promise.resolve();
  #settledSequence = 0;
  #cancelTimer: (() => void) | undefined;
  readonly #waiting = new Set<{ sequence: number; resolve: () => void }>();
  readonly #written = new Map<string, number>();
  #flushes = 0;
  /** Records that were held when the last set was settled. */
  #held = 0;
  #lastFlushAtMs: number | undefined;
  #nextFlushAtMs: number | undefined;
  #today = 0;
  #flushesToday = 0;
  #durationMsTotal = 0;

  constructor(options: FlusherOptions, parts: FlusherParts) {
    this.#options = options;
    this.#parts = parts;
    this.#retry = new RetryLoop(parts);
    this.#deleter = new Deleter(parts.registry, this.#retry);
    this.#writer = new ChunkWriter(parts, this.#retry);
    const { holdMsMax } = options;
    this.#orphans =
      holdMsMax === undefined ? undefined : new Orphans(parts, holdMsMax, this.#retry, this.#writer);
  }

  get state(): FlusherState {
    return this.#mode === 'flushing' ? (this.#retry.holdUp ?? { mode: 'flushing' }) : { mode: this.#mode };
  }

  /** Storage does not take what it is given just now. */
  get isHeldUp(): boolean {
    return this.#retry.holdUp !== undefined;
  }

  get statistics(): FlushStatistics {
    return {
      flushes: this.#flushes,
      written: this.#written,
      lastFlushAtMs: this.#lastFlushAtMs,
      nextFlushAtMs: this.#mode === 'idle' ? this.#nextFlushAtMs : undefined,
      flushesToday: this.#today === dayOf(this.#parts.clock.nowMs()) ? this.#flushesToday : 0,
      durationMsTotal: this.#durationMsTotal,
      errors: this.#retry.errors,
    };
  }

  /** Starts the timer, and the first flush at once if the last run left something. */
  start(): void {
    this.#settledSequence = this.#parts.journal.checkpoint;
    if (this.#parts.buffer.waitingSize > 0 || this.#parts.backlog.isBehind) this.#demand();
    else this.#scheduleTimer();
  }

  /** Says that records were accepted; a full buffer is flushed, and what fills the journal. */
  noticeAccepted(): void {
    const { buffer, backlog, journal } = this.#parts;
    const { maxBufferSize, journalHeadroomBytes } = this.#options;
    const isFilling = journal.refusal(journalHeadroomBytes) !== undefined;
    if (buffer.waitingSize >= maxBufferSize || backlog.isBehind || isFilling) this.#demand();
  }

  /**
   * Resolves when everything that was accepted before the call is in storage, but for the records it says are held.
   * @throws ServiceError FLUSH_TIMEOUT or STORAGE_UNAVAILABLE after `limitMs`; everything stays journaled.
   */
  async flush(limitMs: number): Promise<FlushResult> {
    const { backlog, clock } = this.#parts;
    const startedMs = clock.nowMs();
    const before = new Map(this.#written);
    const sequence = backlog.lastSequence;
    if (sequence > this.#settledSequence || this.#held > 0) await this.#waitFor(sequence, limitMs);
    const written = new Map(
      [...this.#written].map(([name, count]) => [name, count - (before.get(name) ?? 0)]),
    );
    return { written, held: this.#held, durationMs: clock.nowMs() - startedMs };
  }

  /**
   * Flushes once more, then stops for good.
   * @returns false when `limitMs` was not enough: the rest stays journaled and is replayed at the next start.
   */
  async stop(limitMs: number): Promise<boolean> {
    this.#cancelTimer?.();
    const drained = await this.flush(limitMs).then(
      ({ held }) => held === 0,
      () => false,
    );
    this.#cancelTimer?.();
    this.#mode = 'stopped';
    this.#retry.stop();
    // What was stored last is released before the journal is closed; a call that hangs is not waited for.
    if (drained) await this.#running;
    return drained;
  }

  async #waitFor(sequence: number, limitMs: number): Promise<void> {
    const stored = Promise.withResolvers<void>();
    const waiter = { sequence, resolve: stored.resolve };
    this.#waiting.add(waiter);
    this.#demand();
    this.#retry.wake();
    try {
      await withTimeLimit(this.#parts.clock, limitMs, stored.promise, () => {
        throw this.#delayError();
      });
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  #delayError(): ServiceError {
    const holdUp = this.#retry.holdUp;
    if (holdUp === undefined) {
      return new ServiceError(
        'FLUSH_TIMEOUT',
        'The flush takes longer than a request may wait; it goes on, and everything accepted stays journaled',
        { retryAfterSeconds: 5 },
      );
    }
    return new ServiceError(
      'STORAGE_UNAVAILABLE',
      'Storage takes no data at the moment; everything accepted stays journaled and is written as soon as it does',
      { retryAfterSeconds: 5, cause: holdUp.error },
    );
  }

  get #isStopped(): boolean {
    return this.#mode === 'stopped';
  }

  #scheduleTimer(): void {
    this.#nextFlushAtMs = this.#parts.clock.nowMs() + this.#options.flushIntervalMs;
    this.#cancelTimer = this.#parts.clock.schedule(this.#options.flushIntervalMs, () => this.#demand());
  }

  #demand(): void {
    this.#demanded = true;
    if (this.#mode !== 'idle') return;
    this.#mode = 'flushing';
    this.#cancelTimer?.();
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#demanded || this.#parts.backlog.isBehind) {
        this.#demanded = false;
        await this.#retry.untilItWorks(() => this.#parts.backlog.refill());
        const records = await this.#flushOnce();
        if (records >= largeSetRecords) collectGarbageAbove(residentBytesMax);
      }
      if (this.#isStopped) return;
      this.#mode = 'idle';
      this.#scheduleTimer();
    } catch (error) {
      // Stopped: what was not stored stays journaled. Anything else is a broken invariant, and ends the process.
      if (!(error instanceof Stopped)) throw error;
    }
  }

  /** Writes what is in the buffer; @returns how many records that were. */
  async #flushOnce(): Promise<number> {
    const { buffer, clock } = this.#parts;
    const set = buffer.take();
    if (set !== undefined) {
      const startedMs = clock.nowMs();
      // A fault of ours is tried again too, where everybody can see it.
      await this.#retry.untilItWorks(() => this.#writeSet(set));
      this.#countFlush(startedMs);
      buffer.settle(set);
      this.#held = buffer.heldSize;
    }
    this.#settledSequence = set?.throughSequence ?? buffer.lastSequence;
    await this.#release();
    this.#answerWaiting();
    return set === undefined ? 0 : sizeOf(set);
  }

  async #writeSet(set: FlushSet): Promise<void> {
    const { quarantine, registry } = this.#parts;
    for (const frame of set.unreadable) await this.#retry.untilItWorks(() => quarantine.addFrame(frame));
    for (const refused of set.refused) await this.#writer.refuse(refused);
    for (const deletion of set.deletions) await this.#deleter.perform(deletion);
    for (const collection of registry.collections) {
      const entries = set.records.get(collection.name);
      if (entries !== undefined) await this.#writeCollection(collection, entries);
    }
  }

  async #writeCollection(
    collection: Collection,
    entries: ReadonlyMap<string, BufferedRecord>,
  ): Promise<void> {
    const suspects: Suspect[] = [];
    let storedNow = 0;
    const chunks = chunksByKey(entries);
    const writeNext = async (): Promise<boolean> => {
      const { value: chunk } = chunks.next();
      if (chunk === undefined) return false;
      const records = (await this.#orphans?.putAside(collection, chunk)) ?? chunk;
      const { stored, suspects: found } = await this.#writer.write(collection, records);
      suspects.push(...found);
      storedNow += stored;
      this.#written.set(collection.name, (this.#written.get(collection.name) ?? 0) + stored);
      return true;
    };
    // The first one alone: what storage does not take at all is tried by one call.
    if (await writeNext()) await together(chunksAtATime, writeNext);
    await this.#judge(collection, suspects, storedNow > 0);
  }

  /** Where neighbours were stored the suspects are to blame; else nobody knows, and they are tried with others. */
  async #judge(
    collection: Collection,
    suspects: readonly Suspect[],
    neighboursStored: boolean,
  ): Promise<void> {
    const [first] = suspects;
    if (first === undefined) return;
    const { buffer } = this.#parts;
    if (neighboursStored) {
      for (const { pending, error } of suspects) {
        await this.#writer.refuse({ ...pending, collection, code: error.code, reason: error.message });
      }
      return;
    }
    if (buffer.waitingSize === 0 || buffer.heldSize + suspects.length > heldSuspectsMax) throw first.error;
    for (const { pending } of suspects) buffer.hold(collection, pending);
  }

  #countFlush(startedMs: number): void {
    const nowMs = this.#parts.clock.nowMs();
    this.#flushes += 1;
    this.#durationMsTotal += nowMs - startedMs;
    this.#lastFlushAtMs = nowMs;
    this.#flushesToday = (this.#today === dayOf(nowMs) ? this.#flushesToday : 0) + 1;
    this.#today = dayOf(nowMs);
  }

  #answerWaiting(): void {
    for (const waiter of this.#waiting) {
      if (waiter.sequence > this.#settledSequence) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }

  async #release(): Promise<void> {
    const { buffer, journal, logger } = this.#parts;
    try {
      // Storage has all of it: a checkpoint that lags only makes the next replay longer.
      await journal.release(Math.min(this.#settledSequence, buffer.oldestHeldSequence - 1));
    } catch (error) {
      logger.warn('The journal could not be released; the next flush tries again', {
        error: describeError(error),
      });
    }
  }
}

/** The number of a day, UTC. */
function dayOf(instantMs: number): number {
  return Math.floor(instantMs / 86_400_000);
}

/** Does something again and again until it says that there is no more, so many times at once; all have ended when it rejects. */
async function together(times: number, action: () => Promise<boolean>): Promise<void> {
  const toTheEnd = async (): Promise<void> => {
    while (await action());
  };
  const ended = await Promise.allSettled(Array.from({ length: times }, toTheEnd));
  for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
}
