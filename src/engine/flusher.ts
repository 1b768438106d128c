import type { Journal } from '../journal/journal.ts';
import { type Clock, withTimeLimit } from '../platform/clock.ts';
import { describeError, ServiceError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { Collection, GivenRecord } from '../storage/collection.ts';
import { type PendingRecord, StorageError } from '../storage/contract.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { Quarantine } from './quarantine.ts';
import type { FlushSet, WriteBuffer } from './write-buffer.ts';

export interface FlusherOptions {
  /** So many waiting records start a flush. */
  maxBufferSize: number;
  /** A flush starts this long after the last one ended. */
  flushIntervalMs: number;
}

export interface FlusherParts {
  buffer: WriteBuffer;
  journal: Journal;
  registry: StorageRegistry;
  quarantine: Quarantine;
  clock: Clock;
  logger: Logger;
  /** A number from 0 to 1, for the jitter of retries. */
  random: () => number;
}

export type FlusherState =
  | { mode: 'idle' }
  | { mode: 'flushing'; sinceMs: number }
  | { mode: 'retrying' | 'paused'; sinceMs: number; attempt: number; error: StorageError }
  | { mode: 'stopped' };

export interface FlushResult {
  /** Records written while the call waited, by the name of their collection. */
  written: ReadonlyMap<string, number>;
  durationMs: number;
}

export interface FlushStatistics {
  flushes: number;
  written: ReadonlyMap<string, number>;
  quarantined: number;
  lastFlushAtMs: number | undefined;
}

/** Records and bytes of one call to storage: preparing more than this would hold up requests for milliseconds. */
const chunkRecordsMax = 250;
const chunkBytesMax = 1024 * 1024;
/** Retries wait twice as long each time, between these bounds; the second half of a wait is random. */
const retryDelayMinMs = 100;
const retryDelayMaxMs = 30_000;

/**
 * The second half of a record's way: buffer → storage → checkpoint.
 *
 * Modes:
 * - `idle`: waits for the timer, for `maxBufferSize` records, or for `flush`.
 * - `flushing`: writes the set it took from the buffer, parents before what belongs to them, by key, in chunks.
 * - `retrying`: storage is out of order; the chunk is tried again, for ever, with growing delays. `flush` cuts a
 *   delay short.
 * - `paused`: the same, but only a person can mend it (a missing table, no privilege).
 * - `stopped`: for good.
 *
 * Transitions: idle ⇄ flushing; flushing ⇄ retrying, paused; any → stopped.
 *
 * Invariants: one set is written at a time, and it is dropped, in memory and in the journal, only after storage
 * has all of it (or the quarantine has what storage refuses).
 */
export class Flusher {
  readonly #options: FlusherOptions;
  readonly #parts: FlusherParts;
  #state: FlusherState = { mode: 'idle' };
  #demanded = false;
  #running = false;
  #settledSequence = 0;
  #cancelTimer: (() => void) | undefined;
  #wake: (() => void) | undefined;
  readonly #waiting = new Set<{ sequence: number; resolve: () => void }>();
  readonly #written = new Map<string, number>();
  #flushes = 0;
  #quarantined = 0;
  #lastFlushAtMs: number | undefined;

  constructor(options: FlusherOptions, parts: FlusherParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get state(): FlusherState {
    return this.#state;
  }

  /** Storage does not take what it is given just now. */
  get isHeldUp(): boolean {
    return this.#state.mode === 'retrying' || this.#state.mode === 'paused';
  }

  get statistics(): FlushStatistics {
    return {
      flushes: this.#flushes,
      written: this.#written,
      quarantined: this.#quarantined,
      lastFlushAtMs: this.#lastFlushAtMs,
    };
  }

  /** Starts the timer, and the first flush at once if a replay has filled the buffer. */
  start(): void {
    this.#settledSequence = this.#parts.journal.checkpoint;
    this.#scheduleTimer();
    this.noticeAccepted();
  }

  /** Says that records were accepted; a full buffer is flushed. */
  noticeAccepted(): void {
    if (this.#parts.buffer.waitingSize >= this.#options.maxBufferSize) this.#demand();
  }

  /**
   * Resolves when everything that was accepted before the call is in storage.
   * @throws ServiceError FLUSH_TIMEOUT or STORAGE_UNAVAILABLE after `limitMs`; everything stays journaled.
   */
  async flush(limitMs: number): Promise<FlushResult> {
    const startedMs = this.#parts.clock.nowMs();
    const before = new Map(this.#written);
    const sequence = this.#parts.buffer.lastSequence;
    if (sequence > this.#settledSequence) await this.#waitFor(sequence, limitMs);
    const written = new Map(
      [...this.#written].map(([name, count]) => [name, count - (before.get(name) ?? 0)]),
    );
    return { written, durationMs: this.#parts.clock.nowMs() - startedMs };
  }

  /**
   * Flushes once more, then stops for good.
   * @returns false when `limitMs` was not enough: the rest stays journaled and is replayed at the next start.
   */
  async stop(limitMs: number): Promise<boolean> {
    this.#cancelTimer?.();
    const drained = await this.flush(limitMs).then(
      () => true,
      () => false,
    );
    this.#setState({ mode: 'stopped' });
    this.#wake?.();
    return drained;
  }

  async #waitFor(sequence: number, limitMs: number): Promise<void> {
    const stored = Promise.withResolvers<void>();
    const waiter = { sequence, resolve: stored.resolve };
    this.#waiting.add(waiter);
    this.#demand();
    this.#wake?.();
    try {
      await withTimeLimit(this.#parts.clock, limitMs, stored.promise, () => {
        throw this.#delayError();
      });
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  #delayError(): ServiceError {
    if (this.#state.mode === 'retrying' || this.#state.mode === 'paused') {
      return new ServiceError(
        'STORAGE_UNAVAILABLE',
        'Storage takes no data at the moment; everything accepted stays journaled and is written as soon as it does',
        { retryAfterSeconds: 5, cause: this.#state.error },
      );
    }
    return new ServiceError(
      'FLUSH_TIMEOUT',
      'The flush takes longer than a request may wait; it goes on, and everything accepted stays journaled',
      { retryAfterSeconds: 5 },
    );
  }

  #scheduleTimer(): void {
    this.#cancelTimer = this.#parts.clock.schedule(this.#options.flushIntervalMs, () => {
      this.#demand();
    });
  }

  #demand(): void {
    this.#demanded = true;
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#cancelTimer?.();
    void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#demanded && !this.#stopped) {
      this.#demanded = false;
      const set = this.#parts.buffer.take();
      if (set === undefined) break;
      this.#setState({ mode: 'flushing', sinceMs: this.#parts.clock.nowMs() });
      if (!(await this.#writeSet(set))) break;
      await this.#settle(set);
      this.noticeAccepted();
      if (this.#waiting.size > 0) this.#demanded = true;
    }
    this.#running = false;
    if (this.#stopped) return;
    this.#setState({ mode: 'idle' });
    this.#scheduleTimer();
  }

  /** @returns false when the flusher was stopped before everything was stored. */
  async #writeSet(set: FlushSet): Promise<boolean> {
    for (const refused of set.refused) {
      if (!(await this.#persistently(() => this.#parts.quarantine.add(refused)))) return false;
      this.#quarantined += 1;
    }
    for (const collection of this.#parts.registry.collections) {
      const entries = set.records.get(collection.name);
      if (entries === undefined) continue;
      for (const chunk of chunksByKey(entries)) {
        if (!(await this.#writeChunk(collection, chunk))) return false;
        this.#written.set(collection.name, (this.#written.get(collection.name) ?? 0) + chunk.length);
      }
    }
    return true;
  }

  async #settle(set: FlushSet): Promise<void> {
    const { buffer, clock, journal, logger } = this.#parts;
    buffer.settle(set);
    this.#settledSequence = set.throughSequence;
    this.#flushes += 1;
    this.#lastFlushAtMs = clock.nowMs();
    try {
      await journal.release(set.throughSequence);
    } catch (error) {
      // Storage has everything: a checkpoint that lags only makes the next replay longer, and the next flush moves it.
      logger.warn('The journal checkpoint could not be written; the next flush tries again', {
        error: describeError(error),
      });
    }
    for (const waiter of this.#waiting) {
      if (waiter.sequence <= set.throughSequence) waiter.resolve();
    }
  }

  /** Writes records, halving the call where storage refuses it, down to the single records that it refuses. */
  async #writeChunk(collection: Collection, records: readonly PendingRecord[]): Promise<boolean> {
    const backend = this.#parts.registry.backendOf(collection);
    let refusal: StorageError | undefined;
    const stored = await this.#persistently(async () => {
      try {
        await backend.write(collection, records);
      } catch (error) {
        if (!(error instanceof StorageError) || (error.remedy !== 'refuse' && error.remedy !== 'split'))
          throw error;
        refusal = error;
      }
    });
    if (!stored) return false;
    if (refusal === undefined) return true;
    const [only] = records;
    if (records.length === 1 && only !== undefined) return await this.#quarantine(collection, only, refusal);
    const middle = Math.ceil(records.length / 2);
    return (
      (await this.#writeChunk(collection, records.slice(0, middle))) &&
      (await this.#writeChunk(collection, records.slice(middle)))
    );
  }

  async #quarantine(collection: Collection, pending: PendingRecord, error: StorageError): Promise<boolean> {
    const refused = { ...pending, collection, code: error.code, reason: error.message };
    this.#parts.logger.error('Storage refuses a record for good; it is in the quarantine', {
      collection: collection.name,
      code: error.code,
      reason: error.message,
    });
    const kept = await this.#persistently(() => this.#parts.quarantine.add(refused));
    if (kept) this.#quarantined += 1;
    return kept;
  }

  /**
   * Does something until it works, waiting longer and longer in between.
   * @returns false when the flusher was stopped before it worked.
   */
  async #persistently(action: () => Promise<void>): Promise<boolean> {
    const { clock, logger } = this.#parts;
    const sinceMs = clock.nowMs();
    for (let attempt = 1; !this.#stopped; attempt += 1) {
      try {
        await action();
        if (attempt > 1) {
          logger.info('Storage takes data again', { attempts: attempt, outageMs: clock.nowMs() - sinceMs });
          if (this.isHeldUp) this.#setState({ mode: 'flushing', sinceMs: clock.nowMs() });
        }
        return true;
      } catch (thrown) {
        if (this.#stopped) return false;
        const error =
          thrown instanceof StorageError
            ? thrown
            : new StorageError('unknown', 'UNKNOWN', describeError(thrown), thrown);
        const mode = error.remedy === 'pause' ? 'paused' : 'retrying';
        this.#setState({ mode, sinceMs, attempt, error });
        const delayMs = retryDelayMs(attempt, this.#parts.random());
        logger[mode === 'paused' ? 'error' : 'warn'](
          mode === 'paused'
            ? 'Storage needs attention: its set-up refuses every write; accepted records wait in the journal'
            : 'Storage does not take data; accepted records wait in the journal',
          { attempt, code: error.code, error: describeError(error), retryInMs: Math.round(delayMs) },
        );
        await this.#sleep(delayMs);
      }
    }
    return false;
  }

  /** Waits, unless woken. */
  async #sleep(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.schedule(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  get #stopped(): boolean {
    return this.#state.mode === 'stopped';
  }

  #setState(state: FlusherState): void {
    this.#state = state;
  }
}

/** Cuts entries, sorted by key, into chunks; writers that go by key rarely meet in a deadlock. */
function* chunksByKey(entries: ReadonlyMap<string, PendingRecord>): Generator<PendingRecord[]> {
  let chunk: PendingRecord[] = [];
  let bytes = 0;
  for (const key of [...entries.keys()].sort()) {
    const pending = entries.get(key);
    if (pending === undefined) continue;
    const recordBytes = approximateBytes(pending.record);
    if (chunk.length === chunkRecordsMax || (chunk.length > 0 && bytes + recordBytes > chunkBytesMax)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(pending);
    bytes += recordBytes;
  }
  if (chunk.length > 0) yield chunk;
}

function approximateBytes(record: GivenRecord): number {
  let bytes = 0;
  for (const value of Object.values(record)) {
    if (typeof value === 'string') bytes += value.length;
    else if (typeof value === 'object' && value !== null) bytes += JSON.stringify(value).length;
    else bytes += 8;
  }
  return bytes;
}

function retryDelayMs(attempt: number, random: number): number {
  const fullMs = Math.min(retryDelayMaxMs, retryDelayMinMs * 2 ** Math.min(attempt - 1, 20));
  return fullMs / 2 + (fullMs / 2) * random;
}
