import { join } from 'node:path';
import type { Frame } from '../journal/frame.ts';
import type { Clock } from '../platform/clock.ts';
import type { DurableFiles } from '../platform/durable-files.ts';
import { describeError } from '../platform/errors.ts';
import { formatInstant } from '../platform/instant.ts';
import type { Logger } from '../platform/logger.ts';
import { StorageError } from '../storage/contract.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import type { RefusedRecord } from './flush-set.ts';
import {
  damagedEntryOf,
  decodeFile,
  encodeFile,
  entryOf,
  type FrameFile,
  fileNameOf,
  frameFileOf,
  idOfFileName,
  type QuarantineEntry,
  type RecordFile,
  recordFileOf,
} from './quarantine-file.ts';
import { importJournal } from './quarantine-import.ts';

export interface QuarantineOptions {
  folder: string;
  /** No record is added to so many files, and none is dropped for it: the flusher waits for room. */
  recordsMax: number;
}

export interface QuarantineParts {
  files: DurableFiles;
  clock: Clock;
  logger: Logger;
  registry: StorageRegistry;
}

/** A file that was read; `content` is undefined when it could not be. */
export interface Quarantined {
  entry: QuarantineEntry;
  content: RecordFile | FrameFile | undefined;
}

/**
 * The durable place for records that storage refuses for good: one file a record, in JSON, with the reason. It
 * survives restarts, is never emptied by a flush, and keeps the same thing once, however often a replay brings it.
 *
 * Invariants: the files are changed one at a time, and `#entries` says what is on disk: it follows a file, never
 * leads. A file that cannot be read has an entry as well, and stays until somebody discards it.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #parts: QuarantineParts;
  readonly #entries = new Map<string, QuarantineEntry>();
  #last: Promise<unknown> = Promise.resolve();
  #added = 0;

  private constructor(options: QuarantineOptions, parts: QuarantineParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Opens the folder; what an earlier version kept there in a journal becomes files. */
  static async open(options: QuarantineOptions, parts: QuarantineParts): Promise<Quarantine> {
    const quarantine = new Quarantine(options, parts);
    await parts.files.makeFolder(options.folder);
    for (const name of await parts.files.list(options.folder)) {
      const id = idOfFileName(name);
      if (id !== undefined) await quarantine.#look(id);
    }
    await importJournal(options.folder, parts, (id, content) => quarantine.#keep(id, content));
    return quarantine;
  }

  /** How many files there are, those that cannot be read included. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many were added since the start. */
  get added(): number {
    return this.#added;
  }

  get entries(): IterableIterator<QuarantineEntry> {
    return this.#entries.values();
  }

  /**
   * Keeps a record; durable when it resolves.
   * @throws StorageError QUARANTINE_FULL, QUARANTINE_FAILED; the same call works once there is room, or a disk.
   */
  async add(refused: RefusedRecord): Promise<void> {
    const { id, content } = recordFileOf(refused, this.#parts.clock.nowMs());
    await this.#keep(id, content, this.#options.recordsMax);
  }

  /** Keeps a journal frame that this version cannot read, also in a full quarantine: it must not stop the start. */
  async addFrame(frame: Frame): Promise<void> {
    const { id, content } = frameFileOf(frame, this.#parts.clock.nowMs());
    await this.#keep(id, content);
  }

  /** Reads a file anew: a person may have mended it by hand. Undefined when there is none with this id. */
  read(id: string): Promise<Quarantined | undefined> {
    return this.#inTurn(async () => (this.#entries.has(id) ? await this.#look(id) : undefined));
  }

  /** Notes that storage has refused a record once more, and why. */
  noteRefusal(
    id: string,
    content: RecordFile,
    { code, reason }: { code: string; reason: string },
  ): Promise<void> {
    return this.#inTurn(async () => {
      // It may have been discarded meanwhile.
      if (!this.#entries.has(id)) return;
      const retriedAt = formatInstant(this.#parts.clock.nowMs());
      await this.#write(id, { ...content, code, reason, retried_at: retriedAt });
    });
  }

  /** Removes files for good; durable when it resolves. Returns what was removed. */
  remove(ids: readonly string[]): Promise<QuarantineEntry[]> {
    return this.#inTurn(async () => {
      const { files } = this.#parts;
      const removed = ids.map((id) => this.#entries.get(id)).filter((entry) => entry !== undefined);
      for (const { id } of removed) await files.remove(this.#pathOf(id));
      if (removed.length > 0) await files.syncFolder(this.#options.folder);
      for (const { id } of removed) this.#entries.delete(id);
      return removed;
    });
  }

  /** Finishes the call that runs. */
  async close(): Promise<void> {
    await this.#last;
  }

  #keep(id: string, content: RecordFile | FrameFile, recordsMax = Number.POSITIVE_INFINITY): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#entries.get(id);
      // A damaged file of the same thing does not hold it any more: it is written anew.
      if (known !== undefined && known.kind !== 'damaged file') return;
      if (known === undefined && this.#entries.size >= recordsMax) throw fullError(recordsMax);
      try {
        await this.#write(id, content);
      } catch (cause) {
        const advice = 'The quarantine cannot be written; it is tried again until its disk takes data';
        throw new StorageError('retry', 'QUARANTINE_FAILED', advice, cause);
      }
      this.#added += 1;
    });
  }

  async #write(id: string, content: RecordFile | FrameFile): Promise<void> {
    await this.#parts.files.replace(this.#pathOf(id), encodeFile(content));
    this.#entries.set(id, entryOf(id, content));
  }

  async #look(id: string): Promise<Quarantined> {
    const { files, logger } = this.#parts;
    let content: RecordFile | FrameFile | undefined;
    let entry: QuarantineEntry;
    try {
      content = decodeFile(await files.read(this.#pathOf(id)));
      entry = entryOf(id, content);
    } catch (error) {
      entry = damagedEntryOf(id, describeError(error));
      if (this.#entries.get(id)?.kind !== 'damaged file') {
        logger.error('A file of the quarantine cannot be read; it stays until it is mended or discarded', {
          file: this.#pathOf(id),
          error: entry.reason,
        });
      }
    }
    this.#entries.set(id, entry);
    return { entry, content };
  }

  #pathOf(id: string): string {
    return join(this.#options.folder, fileNameOf(id));
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => {});
    return result;
  }
}

function fullError(recordsMax: number): StorageError {
  return new StorageError(
    'pause',
    'QUARANTINE_FULL',
    `The quarantine has quarantine.records_max (${recordsMax}) records: retry or discard some, or raise the setting and restart; nothing is flushed until then`,
  );
}
