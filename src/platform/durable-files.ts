import { constants } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** A file that only grows. */
export interface AppendFile {
  /** Writes all buffers at the end; when it rejects, any part of them may have been written. */
  append(buffers: readonly Uint8Array[]): Promise<void>;
  /** Waits until everything appended so far is on disk (fdatasync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What the journal needs of the files it keeps. */
export interface DurableFiles {
  /**
   * Creates a folder and its parents, if missing, and makes their names durable; also the name of one that is there,
   * since whoever made it may have died before it came to that.
   */
  makeFolder(path: string): Promise<void>;
  /** The names in a folder, sorted. */
  list(path: string): Promise<string[]>;
  read(path: string): Promise<Uint8Array>;
  /** Fills `into` with the bytes of a file from `start` on; @returns how many there are, fewer where it ends. */
  readInto(into: Uint8Array, path: string, start: number): Promise<number>;
  /** Creates a file that must not exist yet, and makes its name durable. */
  createAppendFile(path: string): Promise<AppendFile>;
  /** Replaces a whole file: after a crash it holds the old bytes or the new ones, never a mixture. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes into a file that is there, over bytes that it has; durable, but a crash may leave a part of it. */
  overwrite(path: string, position: number, bytes: Uint8Array): Promise<void>;
  /** Cuts a file to a length, durably. */
  truncate(path: string, bytes: number): Promise<void>;
  /** Deletes a file; `syncFolder` makes that durable. */
  remove(path: string): Promise<void>;
  /** Makes created, renamed and deleted names of a folder durable. */
  syncFolder(path: string): Promise<void>;
}

/** A file or a folder that is open, as node:fs/promises has it. */
export interface OpenFile {
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  writev(buffers: readonly Uint8Array[], position: number): Promise<{ bytesWritten: number }>;
  truncate(bytes: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What durable files are made of: a part of node:fs/promises. It is an interface so that a test can put a disk
 * underneath that forgets whatever was not synced.
 */
export interface FileSystem {
  access(path: string): Promise<unknown>;
  mkdir(path: string, options: { mode: number }): Promise<unknown>;
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>;
  readdir(path: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
}

const fileMode = 0o640;
const folderMode = 0o750;

/** Durable files in a file system: every step that a power loss could undo is synced before it counts as done. */
export function durableFiles({
  access,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
}: FileSystem): DurableFiles {
  const syncFolder = async (path: string): Promise<void> =>
    await withFile(await open(path, 'r'), (folder) => folder.sync());
  const exists = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  const makeFolder = async (path: string): Promise<void> => {
    // A folder is not made before the name of its parent is durable.
    if (!(await exists(path))) {
      await makeFolder(dirname(path));
      await mkdir(path, { mode: folderMode });
    }
    await syncFolder(dirname(path)).catch((error: unknown) => {
      // A parent that may not be read is not one that this service makes.
      if (codeOf(error) !== 'EACCES') throw error;
    });
  };
  return {
    makeFolder: (path) => makeFolder(resolve(path)),
    list: async (path) => (await readdir(path)).sort(),
    read: (path) => readFile(path),
    readInto: async (into, path, start) =>
      await withFile(await open(path, 'r'), (file) => readInto(into, file, start)),
    async createAppendFile(path) {
      const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, fileMode);
      try {
        await syncFolder(dirname(path));
      } catch (error) {
        await file.close();
        throw error;
      }
      return appendFile(file);
    },
    async replace(path, bytes) {
      const temporary = `${path}.tmp`;
      await withFile(await open(temporary, 'w', fileMode), async (file) => {
        await writeAll(file, [bytes], 0);
        await file.sync();
      });
      await rename(temporary, path);
      await syncFolder(dirname(path));
    },
    async overwrite(path, position, bytes) {
      await withFile(await open(path, 'r+'), async (file) => {
        await writeAll(file, [bytes], position);
        await file.datasync();
      });
    },
    async truncate(path, bytes) {
      await withFile(await open(path, 'r+'), async (file) => {
        await file.truncate(bytes);
        await file.sync();
      });
    },
    remove: (path) => rm(path, { force: true }),
    syncFolder,
  };
}

export const systemFiles: DurableFiles = durableFiles(nodeFileSystem);

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

async function withFile<T>(file: OpenFile, use: (file: OpenFile) => Promise<T>): Promise<T> {
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function appendFile(file: OpenFile): AppendFile {
  let end = 0;
  return {
    async append(buffers) {
      end = await writeAll(file, buffers, end);
    },
    sync: () => file.datasync(),
    close: () => file.close(),
  };
}

async function readInto(into: Uint8Array, file: OpenFile, start: number): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** The most buffers of one writev call (Linux: IOV_MAX). */
const vectorMax = 1024;

/**
 * Writes all buffers from `position` on.
 * @returns where they end.
 */
async function writeAll(file: OpenFile, buffers: readonly Uint8Array[], position: number): Promise<number> {
  let end = position;
  let rest = buffers;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest.slice(0, vectorMax), end);
    end += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
  return end;
}

/** What is left of `buffers` after their first `count` bytes: a write may be shorter than asked. */
function withoutFirst(buffers: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0;
  for (const [index, buffer] of buffers.entries()) {
    if (skipped + buffer.length > count) {
      return [buffer.subarray(count - skipped), ...buffers.slice(index + 1)];
    }
    skipped += buffer.length;
  }
  return [];
}
