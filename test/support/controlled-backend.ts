import { type Collection, keyOf } from '../../src/storage/collection.ts';
import type { PendingRecord, StorageBackend, StorageError } from '../../src/storage/contract.ts';
import type { Gate } from './faulty-files.ts';

/** The calls that can be held back, or made to fail. */
export type StorageOperation = 'write' | 'read' | 'existing' | 'markDeleted' | 'remove';

/** A real backend whose writes are recorded, and whose calls can be held back or made to fail. */
export class ControlledBackend implements StorageBackend {
  readonly kind = 'controlled';
  readonly writes: { collection: string; keys: string[]; bytes: number }[] = [];
  /** What a write rejects with instead of being made. */
  fault: (collection: Collection, records: readonly PendingRecord[]) => StorageError | undefined = () =>
    undefined;
  runningMax = 0;
  readonly #real: StorageBackend;
  readonly #log: string[];
  readonly #gates: { operation: StorageOperation; arrive: () => void; opened: Promise<void> }[] = [];
  readonly #opens: (() => void)[] = [];
  readonly #failures: { operation: StorageOperation; after: number; error: StorageError }[] = [];
  #running = 0;

  /** @param log gets a line `stored <collection>` for each write that worked. */
  constructor(real: StorageBackend, log: string[]) {
    this.#real = real;
    this.#log = log;
  }

  /** Holds back the next call of a kind; several holds apply to one call each, in their order. */
  hold(operation: StorageOperation = 'write'): Gate {
    const reached = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    this.#gates.push({ operation, arrive: reached.resolve, opened: opened.promise });
    this.#opens.push(opened.resolve);
    return { reached: reached.promise, open: opened.resolve };
  }

  openAll(): void {
    for (const open of this.#opens) open();
  }

  /** Lets one call fail before it does anything: the n-th of its kind from now. */
  fail(operation: StorageOperation, error: StorageError, nth = 1): void {
    this.#failures.push({ operation, after: nth - 1, error });
  }

  /** How many failures have not struck yet. */
  get failuresLeft(): number {
    return this.#failures.length;
  }

  async write(collection: Collection, records: readonly PendingRecord[]): Promise<void> {
    const keys = records.map(({ record }) => keyOf(collection, record));
    const bytes = JSON.stringify(records.map(({ record }) => record)).length;
    this.writes.push({ collection: collection.name, keys, bytes });
    this.#running += 1;
    this.runningMax = Math.max(this.runningMax, this.#running);
    try {
      await this.#control('write');
      const fault = this.fault(collection, records);
      if (fault !== undefined) throw fault;
      await this.#real.write(collection, records);
      this.#log.push(`stored ${collection.name}`);
    } finally {
      this.#running -= 1;
    }
  }

  /** What is read is read before the call is held back, as when an answer is slow. */
  read: StorageBackend['read'] = async (...args) => {
    const stored = await this.#real.read(...args);
    await this.#control('read');
    return stored;
  };
  existing: StorageBackend['existing'] = async (...args) => {
    const existing = await this.#real.existing(...args);
    await this.#control('existing');
    return existing;
  };
  markDeleted: StorageBackend['markDeleted'] = async (...args) => {
    await this.#control('markDeleted');
    await this.#real.markDeleted(...args);
  };
  remove: StorageBackend['remove'] = async (...args) => {
    await this.#control('remove');
    return await this.#real.remove(...args);
  };
  open = () => this.#real.open();
  query: StorageBackend['query'] = (...args) => this.#real.query(...args);
  count: StorageBackend['count'] = (...args) => this.#real.count(...args);
  countBy: StorageBackend['countBy'] = (...args) => this.#real.countBy(...args);
  averageMs: StorageBackend['averageMs'] = (...args) => this.#real.averageMs(...args);
  sizeBytes = () => this.#real.sizeBytes();
  purge: StorageBackend['purge'] = (...args) => this.#real.purge(...args);
  exclusively: StorageBackend['exclusively'] = (name, action) => this.#real.exclusively(name, action);
  healthCheck = () => this.#real.healthCheck();
  close = async () => {};

  async #control(operation: StorageOperation): Promise<void> {
    const held = this.#gates.findIndex((gate) => gate.operation === operation);
    if (held !== -1) {
      const [gate] = this.#gates.splice(held, 1);
      gate?.arrive();
      await gate?.opened;
    }
    const next = this.#failures.findIndex((failure) => failure.operation === operation);
    const failure = this.#failures[next];
    if (failure === undefined) return;
    if (failure.after > 0) failure.after -= 1;
    else {
      this.#failures.splice(next, 1);
      throw failure.error;
    }
  }
}
