import { dlopen, FFIType } from 'bun:ffi';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** flock(2): LOCK_EX | LOCK_NB, an exclusive lock or an answer at once. */
const exclusiveWithoutWaiting = 2 | 4;

/** Where libc is on glibc, on musl, and on macOS. */
const libraries = process.platform === 'darwin' ? ['libSystem.dylib'] : ['libc.so.6', 'libc.so'];

/**
 * Locks a file for this process, and creates it if need be. The kernel drops the lock with the process, however it
 * ends: a file left behind blocks nobody.
 * @param path its folder exists.
 * @returns how to release it; undefined when another process, or another part of this one, holds it.
 */
export function tryLockFile(path: string): (() => void) | undefined {
  const descriptor = openSync(path, 'a+', 0o640);
  if (loadFlock()(descriptor, exclusiveWithoutWaiting) !== 0) {
    closeSync(descriptor);
    return undefined;
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${process.pid}\n`);
  return () => closeSync(descriptor);
}

/**
 * Locks a folder for this process, so that two services never share a journal.
 * @param folder it exists.
 * @returns how to release it.
 * @throws when another process holds it; the message names its process id.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock');
  const release = tryLockFile(path);
  if (release !== undefined) return release;
  const owner = readFileSync(path, 'utf8').trim();
  throw new Error(
    `The data folder ${folder} is in use by another service${owner === '' ? '' : ` (process ${owner})`}. Stop that one first, or give this one a folder of its own with DATA_DIR.`,
  );
}

function loadFlock(): (descriptor: number, operation: number) => number {
  for (const library of libraries) {
    try {
      return dlopen(library, { flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 } }).symbols
        .flock;
    } catch {
      // This system keeps libc elsewhere: try the next name.
    }
  }
  throw new Error(`Cannot lock a file: no libc found among ${libraries.join(', ')}.`);
}
