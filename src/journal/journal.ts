import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import type { AppendFile, DurableFiles } from '../platform/durable-files.ts';
import { invariant, ServiceError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { CheckpointFile } from './checkpoint.ts';
import { encodeFrame, type Frame, type Position } from './frame.ts';
import { ReadBack } from './read-back.ts';
import { type OpenedSegments, openSegments, type ReplayReport, type Segment } from './recovery.ts';
import { segmentName } from './segment.ts';

/** `always`: an append resolves once it is on disk. `interval`, `off`: once the system has it; a power loss may take it. */
type SyncMode = 'always' | 'interval' | 'off';

export interface JournalOptions {
  folder: string;
  sync: SyncMode;
  syncIntervalMs: number;
  /** A segment that has reached this size is followed by a new one. */
  segmentBytesMax: number;
  /** Appends are refused while the segments hold more than this. */
  bytesMax: number;
}

export interface JournalParts {
  files: DurableFiles;
  clock: Clock;
  logger: Logger;
}

interface WaitingAppend {
  frame: Frame;
  resolve: (position: Position) => void;
  reject: (error: unknown) => void;
}

/**
 * The append-only log that makes an accepted batch durable.
 *
 * Files in its folder: segments `<first sequence>.journal`, each a row of frames; `checkpoint`, up to where
 * storage has everything; `damaged/`, copies of bytes that could not be read.
 *
 * Modes:
 * - `open`: appends wait in a queue; one writer takes all that wait, writes them with one call, syncs once, and
 *   resolves them in the order of their sequences (group commit).
 * - `failed`: a write or a sync failed. What is on disk is unknown from then on, and asking the kernel again
 *   would lie (a second fsync reports success for pages that were dropped), so no append is accepted any more;
 *   `release` still works. A restart reads what is really there.
 * - `closed`.
 *
 * Transitions: open → failed, open → closed, failed → closed.
 *
 * Invariants: sequences rise by one per append; versions strictly increase; a segment is deleted only when
 * every frame in it is at or before the checkpoint, and the checkpoint is on disk.
 */
export class Journal {
  readonly #options: JournalOptions;
  readonly #parts: JournalParts;
  readonly #waiting: WaitingAppend[] = [];
  /** Oldest first; the last one is being written while `#file` is set. */
  readonly #segments: Segment[];
  readonly #checkpointFile: CheckpointFile;
  readonly #readBack: ReadBack;
  #mode: 'open' | 'failed' | 'closed' = 'open';
  #failure: unknown;
  #file: AppendFile | undefined;
  #unsynced = false;
  #writer: Promise<void> | undefined;
  #cancelSync: (() => void) | undefined;
  #lastSequence: number;
  #lastVersion: number;
  #checkpoint: number;
  #waitingBytes = 0;

  private constructor(options: JournalOptions, parts: JournalParts, opened: OpenedSegments) {
    this.#options = options;
    this.#parts = parts;
    this.#segments = opened.segments;
    this.#checkpointFile = opened.checkpointFile;
    this.#readBack = new ReadBack(parts.files);
    this.#checkpoint = opened.checkpoint;
    this.#lastSequence = opened.last.sequence;
    this.#lastVersion = opened.last.version;
  }

  /**
   * Opens the journal of a folder and visits every frame behind the checkpoint, in order. Damage never stops it:
   * see `ReplayReport`.
   */
  static async open(
    options: JournalOptions,
    parts: JournalParts,
    visit: (frame: Frame) => void = () => {},
  ): Promise<{ journal: Journal; report: ReplayReport }> {
    const opened = await openSegments(options.folder, parts, visit);
    return { journal: new Journal(options, parts, opened), report: opened.report };
  }

  get mode(): 'open' | 'failed' | 'closed' {
    return this.#mode;
  }

  /** Bytes of all segments, and of what waits to be written. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, this.#waitingBytes);
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Everything up to this sequence is in storage. */
  get checkpoint(): number {
    return this.#checkpoint;
  }

  /** Why an append would be refused now; undefined when it would be accepted. */
  refusal(payloadBytes = 0): ServiceError | undefined {
    if (this.#mode === 'failed') {
      return new ServiceError(
        'JOURNAL_FAILED',
        'The journal cannot be written; nothing is accepted until the service is restarted on a healthy disk.',
        { retryAfterSeconds: 30, cause: this.#failure },
      );
    }
    if (this.#mode === 'closed') {
      return new ServiceError('NOT_ACCEPTING', 'The service is shutting down.', { retryAfterSeconds: 5 });
    }
    if (this.bytes + payloadBytes > this.#options.bytesMax) {
      return new ServiceError(
        'JOURNAL_FULL',
        'Storage is behind and the journal is full; nothing more is accepted until storage has caught up.',
        { retryAfterSeconds: 10 },
      );
    }
    return undefined;
  }

  /**
   * Appends a frame. Appends resolve in the order in which they were called.
   * @returns its sequence and version, once it is as durable as the sync mode says.
   * @throws ServiceError JOURNAL_FULL, JOURNAL_FAILED or NOT_ACCEPTING.
   */
  append(type: string, payload: Uint8Array): Promise<Position> {
    const refusal = this.refusal(payload.length);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#lastSequence += 1;
    this.#lastVersion = Math.max(this.#lastVersion + 1, this.#parts.clock.nowMs() * 1000);
    const frame = { sequence: this.#lastSequence, version: this.#lastVersion, type, payload };
    this.#waitingBytes += payload.length;
    return new Promise<Position>((resolve, reject) => {
      this.#waiting.push({ frame, resolve, reject });
      this.#writer ??= this.#writeGroups();
    });
  }

  /**
   * Reads back the frames behind a sequence, in order, as far as they were appended. What is damaged is stepped
   * over: the next start reports it. The payload of a frame is overwritten by a later one.
   */
  async *read(sequence: number): AsyncGenerator<Frame> {
    let last = sequence;
    for (;;) {
      const segment = this.#segments.find(({ lastSequence }) => lastSequence > last);
      if (segment === undefined) return;
      const { lastSequence } = segment;
      for await (const frame of this.#readBack.frames(segment, last)) {
        last = frame.sequence;
        yield frame;
      }
      last = Math.max(last, lastSequence);
    }
  }

  /** Records that storage has everything up to `sequence`, then deletes the segments that are no longer needed. */
  async release(sequence: number): Promise<void> {
    invariant(
      sequence <= this.#lastSequence,
      `release ${sequence} is later than the last frame ${this.#lastSequence}`,
    );
    const { files } = this.#parts;
    if (sequence > this.#checkpoint) {
      await this.#checkpointFile.write({ sequence, version: this.#lastVersion });
      this.#checkpoint = sequence;
    }
    if (this.#isFullAndReleased(this.#checkpoint)) await this.#closeFile();
    let removed = false;
    for (let oldest = this.#oldestReleased(); oldest !== undefined; oldest = this.#oldestReleased()) {
      await files.remove(oldest.path);
      this.#segments.shift();
      removed = true;
    }
    if (removed) await files.syncFolder(this.#options.folder);
  }

  /** Finishes the appends that wait, syncs, and closes the file. */
  async close(): Promise<void> {
    if (this.#mode === 'closed') return;
    this.#setMode('closed');
    await this.#writer;
    await this.#closeFile();
  }

  async #writeGroups(): Promise<void> {
    // Appends of the same turn go into the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0);
      try {
        invariant(this.#failure === undefined, 'the journal has failed');
        await this.#writeGroup(group.map(({ frame }) => frame));
        for (const { frame, resolve } of group) resolve({ sequence: frame.sequence, version: frame.version });
      } catch (error) {
        this.#fail(error);
        const refusal = this.refusal() ?? error;
        for (const { reject } of group) reject(refusal);
      }
    }
    this.#writer = undefined;
  }

  async #writeGroup(frames: Frame[]): Promise<void> {
    const first = frames[0];
    const last = frames.at(-1);
    invariant(first !== undefined && last !== undefined, 'a group has frames');
    const file = await this.#fileFor(first.sequence);
    const buffers = frames.flatMap(encodeFrame);
    await this.#write(file, buffers);
    this.#unsynced = true;
    if (this.#options.sync === 'always') await this.#sync(file);
    if (this.#options.sync === 'interval') this.#scheduleSync(file);
    const segment = this.#segments.at(-1);
    invariant(segment !== undefined, 'a group is written to a segment');
    segment.lastSequence = last.sequence;
    segment.bytes += buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    this.#waitingBytes -= frames.reduce((sum, frame) => sum + frame.payload.length, 0);
  }

  /**
   * What a failed write leaves was promised to nobody. It is cut off at once if the disk lets it: on a full one the
   * next start could not copy it, and would keep the whole segment for its sake.
   */
  async #write(file: AppendFile, buffers: readonly Uint8Array[]): Promise<void> {
    try {
      await file.append(buffers);
    } catch (error) {
      const segment = this.#segments.at(-1);
      if (segment !== undefined)
        await this.#parts.files.truncate(segment.path, segment.bytes).catch(() => {});
      throw error;
    }
  }

  /** The file that takes the next frames: the current one, or a new one when that is full. */
  async #fileFor(sequence: number): Promise<AppendFile> {
    const current = this.#segments.at(-1);
    if (this.#file !== undefined && current !== undefined && current.bytes < this.#options.segmentBytesMax) {
      return this.#file;
    }
    await this.#closeFile();
    const path = join(this.#options.folder, segmentName(sequence));
    this.#file = await this.#parts.files.createAppendFile(path);
    this.#segments.push({ path, firstSequence: sequence, lastSequence: sequence - 1, bytes: 0 });
    return this.#file;
  }

  /** Syncs and closes the file that is being written, if there is one. After a failure there is no second sync. */
  async #closeFile(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#cancelScheduledSync();
    try {
      if (this.#unsynced && this.#failure === undefined) await this.#sync(file);
    } finally {
      await file.close();
    }
  }

  async #sync(file: AppendFile): Promise<void> {
    // What is written while the sync runs is not part of it.
    this.#unsynced = false;
    await file.sync();
  }

  #scheduleSync(file: AppendFile): void {
    this.#cancelSync ??= this.#parts.clock.schedule(this.#options.syncIntervalMs, () => {
      this.#cancelSync = undefined;
      this.#sync(file).catch((error: unknown) => this.#fail(error));
    });
  }

  #cancelScheduledSync(): void {
    this.#cancelSync?.();
    this.#cancelSync = undefined;
  }

  /** The file being written is needed no more, and nothing is being written: closed, it can be deleted. */
  #isFullAndReleased(sequence: number): boolean {
    const current = this.#segments.at(-1);
    if (this.#mode !== 'open' || this.#writer !== undefined || current === undefined) return false;
    return current.lastSequence <= sequence && current.bytes >= this.#options.segmentBytesMax;
  }

  /** The oldest segment, if nothing in it is needed any more; the one being written stays. */
  #oldestReleased(): Segment | undefined {
    const [oldest] = this.#segments;
    if (this.#segments.length === 1 && this.#file !== undefined) return undefined;
    return oldest !== undefined && oldest.lastSequence <= this.#checkpoint ? oldest : undefined;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#cancelScheduledSync();
    if (this.#mode === 'open') this.#setMode('failed');
    this.#parts.logger.error('The journal failed and accepts nothing more; check the disk, then restart', {
      folder: this.#options.folder,
      error: error instanceof Error ? error.message : String(error),
    });
  }

  #setMode(mode: 'failed' | 'closed'): void {
    this.#mode = mode;
  }
}
