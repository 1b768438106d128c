import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** A file that only grows. */
export interface AppendFile {
  /** Writes all buffers at the end; when it rejects, any part of them may have been written. */
  append(buffers: readonly Uint8Array[]): Promise<void>;
  /** Waits until everything appended so far is on disk (fdatasync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What the journal needs of a file system. It is an interface so that a test can put a disk underneath that
 * forgets whatever was not synced.
 */
export interface DurableFiles {
  /** Creates a folder and its parents, if missing, and makes their names durable. */
  makeFolder(path: string): Promise<void>;
  /** The names in a folder, sorted. */
  list(path: string): Promise<string[]>;
  read(path: string): Promise<Uint8Array>;
  /** Creates a file that must not exist yet, and makes its name durable. */
  createAppendFile(path: string): Promise<AppendFile>;
  /** Replaces a whole file: after a crash it holds the old bytes or the new ones, never a mixture. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Cuts a file to a length, durably. */
  truncate(path: string, bytes: number): Promise<void>;
  /** Deletes a file; `syncFolder` makes that durable. */
  remove(path: string): Promise<void>;
  /** Makes created, renamed and deleted names of a folder durable. */
  syncFolder(path: string): Promise<void>;
}

const fileMode = 0o640;
const folderMode = 0o750;

export const systemFiles: DurableFiles = {
  async makeFolder(path) {
    const whole = resolve(path);
    const first = await mkdir(whole, { recursive: true, mode: folderMode });
    if (first === undefined) return;
    for (let created = whole; created.length >= first.length; created = dirname(created)) {
      await syncFolder(dirname(created));
    }
  },
  list: async (path) => (await readdir(path)).sort(),
  read: (path) => readFile(path),
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
      await file.writeFile(bytes);
      await file.sync();
    });
    await rename(temporary, path);
    await syncFolder(dirname(path));
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

async function syncFolder(path: string): Promise<void> {
  await withFile(await open(path, 'r'), (folder) => folder.sync());
}

async function withFile(file: FileHandle, use: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

/** The most buffers of one writev call (Linux: IOV_MAX). */
const vectorMax = 1024;

function appendFile(file: FileHandle): AppendFile {
  let end = 0;
  return {
    async append(buffers) {
      let rest = buffers;
      while (rest.length > 0) {
        const { bytesWritten } = await file.writev(rest.slice(0, vectorMax), end);
        end += bytesWritten;
        rest = withoutFirst(rest, bytesWritten);
      }
    },
    sync: () => file.datasync(),
    close: () => file.close(),
  };
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
