import { basename } from 'node:path';
import { type AppendFile, type DurableFiles, systemFiles } from '../../src/platform/durable-files.ts';

/** The calls that can be made to fail or to wait. */
type FileOperation =
  | 'create'
  | 'append'
  | 'sync'
  | 'close'
  | 'replace'
  | 'overwrite'
  | 'truncate'
  | 'remove'
  | 'syncFolder';

interface Fault {
  operation: FileOperation;
  /** How many calls go well before it strikes. */
  after: number;
  error: Error;
  /** Of an append: what reaches the file all the same. */
  bytesWritten: number;
}

/** Holds back one call until it is opened. */
export interface Gate {
  /** Resolves when the call is there. */
  reached: Promise<void>;
  open(): void;
}

/** The real file system, with a record of what is asked of it, and with faults where a test wants them. */
export class FaultyFiles implements DurableFiles {
  /**
   * Calls that change something, in order: `sync 0000000000000001.journal` when it begins, and the same with
   * ` done` when it has worked. A test may add its own lines.
   */
  readonly calls: string[] = [];
  readonly #faults = new Set<Fault>();
  readonly #open: (() => void)[] = [];
  readonly #gates: { operation: FileOperation; arrive: () => void; opened: Promise<void> }[] = [];

  /** Lets one call fail: the next one of its kind, or the n-th from now. An append may write a part before. */
  fail(operation: FileOperation, { nth = 1, bytesWritten = 0, code = 'EIO' } = {}): Error {
    const error = Object.assign(new Error(`${code}: injected fault, ${operation}`), { code });
    this.#faults.add({ operation, after: nth - 1, error, bytesWritten });
    return error;
  }

  /** Holds back the next call of a kind; several holds apply to one call each, in their order. */
  hold(operation: FileOperation): Gate {
    const reached = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    this.#gates.push({ operation, arrive: reached.resolve, opened: opened.promise });
    this.#open.push(opened.resolve);
    return { reached: reached.promise, open: opened.resolve };
  }

  /** Opens every gate, so that nothing waits for a test that has ended. */
  openAll(): void {
    for (const open of this.#open) open();
  }

  /** How many calls of a kind began, of all files or of one. */
  count(operation: FileOperation, name = ''): number {
    return this.calls.filter((call) => call.startsWith(`${operation} ${name}`) && !call.endsWith(' done'))
      .length;
  }

  makeFolder(path: string): Promise<void> {
    return systemFiles.makeFolder(path);
  }

  list(path: string): Promise<string[]> {
    return systemFiles.list(path);
  }

  read(path: string): Promise<Uint8Array> {
    return systemFiles.read(path);
  }

  readInto(into: Uint8Array, path: string, start: number): Promise<number> {
    return systemFiles.readInto(into, path, start);
  }

  async createAppendFile(path: string): Promise<AppendFile> {
    const name = basename(path);
    const file = await this.#perform('create', name, () => systemFiles.createAppendFile(path));
    return {
      append: (buffers) =>
        this.#perform(
          'append',
          name,
          () => file.append(buffers),
          (bytes) => file.append([Buffer.concat(buffers).subarray(0, bytes)]),
        ),
      sync: () => this.#perform('sync', name, () => file.sync()),
      close: () => this.#perform('close', name, () => file.close()),
    };
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return this.#perform('replace', basename(path), () => systemFiles.replace(path, bytes));
  }

  overwrite(path: string, position: number, bytes: Uint8Array): Promise<void> {
    return this.#perform('overwrite', basename(path), () => systemFiles.overwrite(path, position, bytes));
  }

  truncate(path: string, bytes: number): Promise<void> {
    return this.#perform('truncate', basename(path), () => systemFiles.truncate(path, bytes));
  }

  remove(path: string): Promise<void> {
    return this.#perform('remove', basename(path), () => systemFiles.remove(path));
  }

  syncFolder(path: string): Promise<void> {
    return this.#perform('syncFolder', basename(path), () => systemFiles.syncFolder(path));
  }

  async #perform<T>(
    operation: FileOperation,
    name: string,
    action: () => Promise<T>,
    writePart: (bytes: number) => Promise<void> = async () => {},
  ): Promise<T> {
    this.calls.push(`${operation} ${name}`);
    const held = this.#gates.findIndex((gate) => gate.operation === operation);
    if (held !== -1) {
      const [gate] = this.#gates.splice(held, 1);
      gate?.arrive();
      await gate?.opened;
    }
    const fault = this.#strikes(operation);
    if (fault !== undefined) {
      await writePart(fault.bytesWritten);
      throw fault.error;
    }
    const value = await action();
    this.calls.push(`${operation} ${name} done`);
    return value;
  }

  #strikes(operation: FileOperation): Fault | undefined {
    let strikes: Fault | undefined;
    for (const fault of this.#faults) {
      if (fault.operation !== operation) continue;
      if (fault.after > 0) {
        fault.after -= 1;
      } else if (strikes === undefined) {
        strikes = fault;
        this.#faults.delete(fault);
      }
    }
    return strikes;
  }
}
