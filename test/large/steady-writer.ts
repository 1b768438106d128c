import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskRecord } from '../../src/modules/translation/records.ts';
import { Api } from '../support/api.ts';
import type { ServiceProcess } from '../support/service-process.ts';
import { BareDisk } from './bare-disk.ts';

/** Of many latencies, in milliseconds. */
export interface Latencies {
  count: number;
  median: number;
  p99: number;
  largest: number;
}

export interface Written extends Latencies {
  /**
   * The largest without the time in which service or test could have run, and had no processor to run on, or without
   * what a bare durable write took on the same disk meanwhile, whichever is longer.
   */
  largestHeldUp: number;
  /** The longest bare write during a batch. */
  largestBareWrite: number;
  /** The errors of batches that were not accepted. */
  refused: readonly unknown[];
}

/** Sends batches at a steady rate, however long their answers take. */
export class SteadyWriter {
  readonly #service: ServiceProcess;
  readonly #api: Api;
  readonly #sent: Promise<void>[] = [];
  /** When each batch was under way, and for how long of that a processor was missing. */
  readonly #batches: { startMs: number; endMs: number; waitedMs: number }[] = [];
  readonly #disk = new BareDisk();
  readonly #refused: unknown[] = [];
  readonly #timer: Timer;

  constructor(service: ServiceProcess, intervalMs: number, batch: (number: number) => TaskRecord[]) {
    this.#service = service;
    this.#api = new Api(service.url);
    this.#disk.start();
    this.#timer = setInterval(() => this.#sent.push(this.#send(batch(this.#sent.length))), intervalMs);
  }

  /** Batches so far. */
  get sent(): number {
    return this.#sent.length;
  }

  /** Waits for the last answers. */
  async stop(): Promise<Written> {
    clearInterval(this.#timer);
    await Promise.all(this.#sent);
    await this.#disk.stop();
    const bareMs = this.#batches.map(({ startMs, endMs }) => this.#disk.longestBetween(startMs, endMs));
    const latenciesMs = this.#batches.map(({ startMs, endMs }) => endMs - startMs);
    const heldUpMs = this.#batches.map(
      ({ startMs, endMs, waitedMs }, index) => endMs - startMs - Math.max(waitedMs, bareMs[index] ?? 0),
    );
    return {
      ...latencies(latenciesMs),
      largestHeldUp: latencies(heldUpMs).largest,
      largestBareWrite: latencies(bareMs).largest,
      refused: this.#refused,
    };
  }

  async #send(tasks: readonly TaskRecord[]): Promise<void> {
    const startMs = performance.now();
    const waits = [this.#service.pid, process.pid].map((pid) => ({ pid, before: waitsOf(pid) }));
    const { status, body } = await this.#api.tasks(tasks);
    const endMs = performance.now();
    const missingMs = waits.reduce((sum, { pid, before }) => sum + waitedMs(pid, before), 0);
    this.#batches.push({ startMs, endMs, waitedMs: missingMs });
    if (status !== 200) this.#refused.push(body);
  }
}

/** What many latencies come to. */
export function latencies(eachMs: readonly number[]): Latencies {
  const sorted = eachMs.toSorted((one, other) => one - other);
  const at = (part: number): number => Math.round((sorted[Math.floor(part * sorted.length)] ?? 0) * 10) / 10;
  return { count: sorted.length, median: at(0.5), p99: at(0.99), largest: at(1 - 1 / (2 * sorted.length)) };
}

/** How long each thread of a process could run and was not let, by its id, in nanoseconds. */
type Waits = ReadonlyMap<number, number>;

/** Those of SQLite are left out: no batch may wait for them. Empty where the system does not say. */
function waitsOf(pid: number): Waits {
  const threads = `/proc/${pid}/task`;
  const waits = new Map<number, number>();
  for (const thread of existsSync(threads) ? readdirSync(threads) : []) {
    const read = (file: string): string => readFileSync(join(threads, thread, file), 'utf8');
    try {
      if (read('comm').trim() !== 'Worker')
        waits.set(Number(thread), Number(read('schedstat').split(' ')[1]));
    } catch {
      // The thread has ended meanwhile.
    }
  }
  return waits;
}

/** What a request may have waited since: for the main thread, and for one other that helps it. */
function waitedMs(pid: number, before: Waits): number {
  let main = 0;
  let helper = 0;
  for (const [thread, waitedNs] of waitsOf(pid)) {
    const sinceNs = waitedNs - (before.get(thread) ?? 0);
    if (thread === pid) main = sinceNs;
    else helper = Math.max(helper, sinceNs);
  }
  return (main + helper) / 1e6;
}
