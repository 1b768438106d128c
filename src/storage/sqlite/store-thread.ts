import { StorageError } from '../contract.ts';
import type { StoreCall, StoreCalls, StoreReply } from './protocol.ts';

/** The worker's file: in the binary, entries lie by their path under `src`. */
const workerUrl = new URL(
  Bun.isStandaloneExecutable ? './storage/sqlite/worker.ts' : './worker.ts',
  import.meta.url,
);

/** An open file stays as it was opened, whatever becomes of the disk: after these errors it is opened anew. */
const reopeningMends = /^SQLITE_(READONLY|IOERR|CANTOPEN|CORRUPT|NOTADB|FILE_REPLACED)/;

interface WaitingCall {
  resolve: (value: never) => void;
  reject: (error: StorageError) => void;
}

/** A `SqliteStore` on a thread of its own, opened by the first call; a thread that dies is replaced. */
export class StoreThread {
  readonly #path: string;
  readonly #role: 'writer' | 'reader';
  readonly #waiting = new Map<number, WaitingCall>();
  #worker: Worker | undefined;
  #opening: Promise<void> | undefined;
  #lastId = 0;

  constructor(path: string, role: 'writer' | 'reader') {
    this.#path = path;
    this.#role = role;
  }

  /** Starts the thread, if it does not run; `open` would do so too. */
  start(): void {
    this.#worker ??= this.#startWorker();
  }

  open(): Promise<void> {
    this.#opening ??= this.#send('open', [this.#path, this.#role]).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /** Calls a method of the store. Rejects with a `StorageError`. */
  async call<Method extends Exclude<keyof StoreCalls, 'open'>>(
    method: Method,
    ...args: StoreCalls[Method]['args']
  ): Promise<StoreCalls[Method]['value']> {
    await this.open();
    try {
      return await this.#send(method, args);
    } catch (error) {
      if (!(error instanceof StorageError) || !reopeningMends.test(error.code)) throw error;
      this.#opening = undefined;
      if (error.code !== 'SQLITE_FILE_REPLACED') throw error;
      // Nothing was done with the old file: the same call can be made of the new one.
      await this.open();
      return await this.#send(method, args);
    }
  }

  async close(): Promise<void> {
    if (this.#worker === undefined) return;
    await this.#send('close', []).catch(() => {});
    // It may have been lost meanwhile.
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#opening = undefined;
  }

  #send<Method extends keyof StoreCalls>(
    method: Method,
    args: StoreCalls[Method]['args'],
  ): Promise<StoreCalls[Method]['value']> {
    this.start();
    this.#lastId += 1;
    const call = { id: this.#lastId, method, args } as StoreCall;
    const answered = Promise.withResolvers<StoreCalls[Method]['value']>();
    this.#waiting.set(call.id, answered);
    this.#worker?.postMessage(call);
    return answered.promise;
  }

  #startWorker(): Worker {
    const worker = new Worker(workerUrl.href);
    worker.onmessage = ({ data: reply }: MessageEvent<StoreReply>) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.ok) waiting?.resolve(reply.value as never);
      else waiting?.reject(new StorageError(reply.error.remedy, reply.error.code, reply.error.message));
    };
    worker.onerror = (event) => this.#lose(worker, event.message);
    worker.addEventListener('close', () => this.#lose(worker, 'the thread ended'));
    return worker;
  }

  /** Forgets a thread that died; the next call starts another. */
  #lose(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#opening = undefined;
    for (const { reject } of this.#waiting.values()) {
      reject(new StorageError('retry', 'THREAD_LOST', `The SQLite thread was lost: ${reason}`));
    }
    this.#waiting.clear();
  }
}
