import { constants } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type DurableFiles,
  durableFiles,
  type FileSystem,
  type OpenFile,
} from '../../src/platform/durable-files.ts';

/** What changes a disk, and what makes that durable. */
export type DiskOperation = 'create' | 'write' | 'truncate' | 'sync' | 'rename' | 'remove' | 'mkdir';

interface Write {
  at: number;
  bytes: Uint8Array;
}
type Change = Write | { length: number };

/** What a file holds for those who read it, what is on the platter, and what lies between the two. */
class SimulatedFile {
  bytes: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  unsynced: Change[] = [];

  change(change: Change): void {
    this.bytes = applied(this.bytes, change);
    this.unsynced.push(change);
  }
}

class SimulatedFolder {
  entries = new Map<string, Entry>();
  durable = new Map<string, Entry>();
  unsynced: ((entries: Map<string, Entry>) => void)[] = [];

  change(change: (entries: Map<string, Entry>) => void): void {
    change(this.entries);
    this.unsynced.push(change);
  }
}

type Entry = SimulatedFile | SimulatedFolder;

/** What a test does at an operation, by throwing; `act` lets the operation happen first, a write as far as it says. */
type Interruption = (operation: DiskOperation, path: string, act: (bytes?: number) => void) => void;

/**
 * A file system in memory that knows what a power loss takes: writes and names that were not synced. A file's sync
 * does not make its name durable, and a sync that fails drops what it should have written, as Linux does: the next
 * one says that all is well.
 */
export class SimulatedDisk {
  /** Every operation, in order: `sync /data/checkpoint`. */
  readonly operations: string[] = [];
  readonly files: DurableFiles = durableFiles(this.#fileSystem());
  /** Bytes of all files, at most; a write is cut short there, and refused beyond. */
  capacityBytes = Number.POSITIVE_INFINITY;
  interrupt: Interruption = () => {};
  /** The operation that `failAt` let fail. */
  failed: string | undefined;
  #root = new SimulatedFolder();

  /** Lets the n-th operation from now fail; a write has half its bytes written. Null: no later one fails. */
  failAt(nth: number | null, code = 'EIO'): void {
    const at = nth === null ? undefined : this.operations.length + nth;
    this.failed = undefined;
    this.interrupt = (operation, path, act) => {
      if (this.operations.length !== at) return;
      this.failed = `${operation} ${path}`;
      if (operation === 'write') act(0.5);
      throw errorOf(code);
    };
  }

  /** Lets the process die at the n-th operation from now, before it or behind it. Null: it lives. */
  dieAt(nth: number | null, behind = false): void {
    const at = nth === null ? Number.POSITIVE_INFINITY : this.operations.length + nth;
    this.interrupt = (_operation, _path, act) => {
      if (this.operations.length < at) return;
      if (this.operations.length === at && behind) act();
      throw errorOf('EDEAD');
    };
  }

  get hasDied(): boolean {
    try {
      this.interrupt('sync', '', () => {});
      return false;
    } catch {
      return true;
    }
  }

  /** Takes away what was not synced, all of it or any part: names one by one, writes from any byte to any byte. */
  losePower(random: () => number): void {
    this.dieAt(null);
    loseFolder(this.#root, random);
  }

  /** Puts bytes in place of a file, durably; undefined deletes it. */
  put(path: string, bytes: Uint8Array | undefined): void {
    const folder = this.#folder(dirname(path));
    const file = new SimulatedFile();
    file.bytes = Buffer.from(bytes ?? []);
    file.durable = file.bytes;
    for (const entries of [folder.entries, folder.durable]) {
      if (bytes === undefined) entries.delete(basename(path));
      else entries.set(basename(path), file);
    }
  }

  /** The files of a folder by their names, as they are read now. */
  filesIn(path: string): Map<string, Buffer> {
    const files = [...this.#folder(path).entries].filter(([, entry]) => entry instanceof SimulatedFile);
    return new Map(files.map(([name, file]) => [name, (file as SimulatedFile).bytes]));
  }

  get bytesUsed(): number {
    return sizeOf(this.#root);
  }

  #fileSystem(): FileSystem {
    return {
      access: async (path) => this.#find(path) ?? Promise.reject(errorOf('ENOENT')),
      mkdir: async (path) => this.#makeFolder(path),
      open: async (path, flags) => this.#open(path, flags),
      readdir: async (path) => [...this.#folder(path).entries.keys()],
      readFile: async (path) => Buffer.from(this.#file(path).bytes),
      rename: async (from, to) => this.#rename(from, to),
      rm: async (path) => this.#remove(path),
    };
  }

  #perform(operation: DiskOperation, path: string, act: (share?: number) => void): void {
    this.operations.push(`${operation} ${path}`);
    this.interrupt(operation, path, act);
    act();
  }

  #makeFolder(path: string): void {
    this.#perform('mkdir', path, () => this.#link(path, new SimulatedFolder()));
  }

  #open(path: string, flags: string | number): OpenFile {
    const found = this.#find(path);
    if (flags === 'r' && found instanceof SimulatedFolder) return this.#openFolder(path, found);
    if (flags === 'r' || flags === 'r+') return this.#openFile(path, this.#file(path));
    if (flags !== 'w' && !(Number(flags) & constants.O_EXCL)) throw new Error(`cannot open with ${flags}`);
    if (flags !== 'w' && found !== undefined) throw errorOf('EEXIST');
    const file = found instanceof SimulatedFile ? found : new SimulatedFile();
    this.#perform('create', path, () => {
      if (found === undefined) this.#link(path, file);
      else file.change({ length: 0 });
    });
    return this.#openFile(path, file);
  }

  #openFolder(path: string, folder: SimulatedFolder): OpenFile {
    const never = () => Promise.reject(errorOf('EISDIR'));
    const sync = async (): Promise<void> =>
      this.#perform('sync', path, () => {
        for (const change of folder.unsynced.splice(0)) change(folder.durable);
      });
    return { read: never, writev: never, truncate: never, sync, datasync: sync, close: async () => {} };
  }

  #openFile(path: string, file: SimulatedFile): OpenFile {
    const sync = async (): Promise<void> => {
      // Whatever comes of it, these are not asked for a second time.
      const changes = file.unsynced.splice(0);
      this.#perform('sync', path, () => {
        for (const change of changes.splice(0)) file.durable = applied(file.durable, change);
      });
    };
    return {
      read: async (into, offset, length, position) => ({
        bytesRead: file.bytes.copy(into, offset, position, position + length),
      }),
      writev: async (buffers, position) => ({ bytesWritten: this.#write(path, file, buffers, position) }),
      truncate: async (length) => this.#perform('truncate', path, () => file.change({ length })),
      sync,
      datasync: sync,
      close: async () => {},
    };
  }

  #write(path: string, file: SimulatedFile, buffers: readonly Uint8Array[], at: number): number {
    const whole = Buffer.concat(buffers);
    const room = file.bytes.length - at + this.capacityBytes - this.bytesUsed;
    const bytes = whole.subarray(0, Math.max(0, room));
    this.#perform('write', path, (share = 1) => {
      file.change({ at, bytes: bytes.subarray(0, Math.floor(bytes.length * share)) });
    });
    if (bytes.length === 0 && whole.length > 0) throw errorOf('ENOSPC');
    return bytes.length;
  }

  #rename(from: string, to: string): void {
    const file = this.#file(from);
    this.#perform('rename', from, () =>
      this.#folder(dirname(from)).change((entries) => {
        entries.delete(basename(from));
        entries.set(basename(to), file);
      }),
    );
  }

  #remove(path: string): void {
    if (this.#find(path) === undefined) return;
    this.#perform('remove', path, () =>
      this.#folder(dirname(path)).change((entries) => entries.delete(basename(path))),
    );
  }

  #link(path: string, entry: Entry): void {
    this.#folder(dirname(path)).change((entries) => entries.set(basename(path), entry));
  }

  #find(path: string): Entry | undefined {
    let entry: Entry | undefined = this.#root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      entry = entry instanceof SimulatedFolder ? entry.entries.get(name) : undefined;
    }
    return entry;
  }

  #folder(path: string): SimulatedFolder {
    const folder = this.#find(path);
    if (folder instanceof SimulatedFolder) return folder;
    throw errorOf('ENOENT');
  }

  #file(path: string): SimulatedFile {
    const file = this.#find(path);
    if (file instanceof SimulatedFile) return file;
    throw errorOf('ENOENT');
  }
}

/** Where journals of tests are, on a simulated disk. */
export const journalFolder = '/data/journal';

/** The path of a file of the journal. */
export function inJournal(name: string): string {
  return join(journalFolder, name);
}

function errorOf(code: string): Error {
  return Object.assign(new Error(`${code}: simulated disk`), { code });
}

function applied(bytes: Buffer, change: Change): Buffer {
  const end = 'length' in change ? change.length : Math.max(bytes.length, change.at + change.bytes.length);
  const next = Buffer.alloc(end);
  bytes.copy(next, 0, 0, end);
  if ('bytes' in change) next.set(change.bytes, change.at);
  return next;
}

function loseFolder(folder: SimulatedFolder, random: () => number): void {
  for (const change of folder.unsynced.splice(0)) {
    if (random() < 0.5) change(folder.durable);
  }
  folder.entries = new Map(folder.durable);
  for (const entry of folder.entries.values()) {
    if (entry instanceof SimulatedFolder) loseFolder(entry, random);
    else loseFile(entry, random);
  }
}

function loseFile(file: SimulatedFile, random: () => number): void {
  for (const change of file.unsynced.splice(0)) {
    const fate = random();
    if (fate < 0.3) continue;
    const torn = fate < 0.7 && 'bytes' in change ? tornWrite(change, file.durable.length, random) : [change];
    file.durable = torn.reduce(applied, file.durable);
  }
  file.bytes = file.durable;
}

/** A part of a write, and sometimes the whole length of it, with zeros where nothing was before. */
function tornWrite({ at, bytes }: Write, lengthBefore: number, random: () => number): Change[] {
  const [start = 0, end = 0] = [random() < 0.5 ? 0 : random(), random()]
    .map((share) => Math.floor(share * bytes.length))
    .sort((a, b) => a - b);
  const part = { at: at + start, bytes: bytes.subarray(start, end) };
  return random() < 0.5 ? [{ length: Math.max(lengthBefore, at + bytes.length) }, part] : [part];
}

function sizeOf(folder: SimulatedFolder): number {
  let bytes = 0;
  for (const entry of folder.entries.values()) {
    bytes += entry instanceof SimulatedFolder ? sizeOf(entry) : entry.bytes.length;
  }
  return bytes;
}
