import type { Backlog } from '../../engine/backlog.ts';
import { bufferUsage } from '../../engine/buffer-usage.ts';
import type { Flusher } from '../../engine/flusher.ts';
import type { Quarantine } from '../../engine/quarantine.ts';
import type { WriteBuffer } from '../../engine/write-buffer.ts';
import type { Journal } from '../../journal/journal.ts';
import { type Clock, withTimeLimit } from '../../platform/clock.ts';
import type { ServiceError } from '../../platform/errors.ts';
import { formatInstant, formatSecond } from '../../platform/instant.ts';
import { serviceVersion } from '../../platform/version.ts';
import type { StorageRegistry } from '../../storage/registry.ts';

export interface HealthParts {
  backlog: Backlog;
  buffer: WriteBuffer;
  flusher: Flusher;
  journal: Journal;
  quarantine: Quarantine;
  registry: StorageRegistry;
  clock: Clock;
  /** The names of the collections behind the two counts that the specification has. */
  counted: { sessions: string; tasks: string };
  capacity: number;
  backlogMsMax: number;
  /** Readiness ends when the journal has no room for so much, before batches are refused. */
  headroomBytes: number;
  startedAtMs: number;
}

const storageCheckLimitMs = 2_000;

/** Looks at the parts and says how the service is. */
export class Health {
  readonly #parts: HealthParts;

  constructor(parts: HealthParts) {
    this.#parts = parts;
  }

  /** Why a batch of `headroomBytes` would be refused now; undefined when it would be accepted. */
  refusal(): ServiceError | undefined {
    return this.#parts.journal.refusal(this.#parts.headroomBytes);
  }

  async report() {
    const { clock, counted, capacity, flusher, journal, quarantine, startedAtMs, buffer } = this.#parts;
    const databaseHealthy = await this.#storageAnswers();
    const backlogMs = this.#backlogMs();
    const healthy = databaseHealthy && backlogMs <= this.#parts.backlogMsMax && journal.mode === 'open';
    const { lastFlushAtMs } = flusher.statistics;
    return {
      status: healthy ? ('healthy' as const) : ('unhealthy' as const),
      database: databaseHealthy ? ('healthy' as const) : ('unhealthy' as const),
      buffer: {
        ...bufferUsage(buffer, counted, capacity),
        held_count: buffer.heldSize,
        last_flush: lastFlushAtMs === undefined ? null : formatSecond(lastFlushAtMs),
      },
      flusher: this.#flusherReport(),
      journal: {
        state: journal.mode,
        bytes: journal.bytes,
        oldest_unflushed_seconds: Math.round(backlogMs / 1000),
      },
      quarantine: { records: quarantine.size },
      uptime_seconds: Math.floor((clock.nowMs() - startedAtMs) / 1000),
      version: serviceVersion,
    };
  }

  #flusherReport() {
    const { state } = this.#parts.flusher;
    if (state.mode !== 'retrying' && state.mode !== 'paused') return { state: state.mode };
    return {
      state: state.mode,
      since: formatInstant(state.sinceMs),
      attempt: state.attempt,
      last_error: state.error.code,
      last_error_class: state.error.remedy,
    };
  }

  #backlogMs(): number {
    const { oldestVersion } = this.#parts.buffer;
    return oldestVersion === undefined ? 0 : Math.max(0, this.#parts.clock.nowMs() - oldestVersion / 1000);
  }

  async #storageAnswers(): Promise<boolean> {
    const checks = [...this.#parts.registry.backends.values()].map((backend) =>
      backend.healthCheck().then(
        () => true,
        () => false,
      ),
    );
    const all = Promise.all(checks).then((answers) => answers.every((answer) => answer));
    return await withTimeLimit(this.#parts.clock, storageCheckLimitMs, all, () => false);
  }
}
