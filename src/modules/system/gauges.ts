import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { flusherModes } from '../../engine/flusher.ts';
import type { Quarantine } from '../../engine/quarantine.ts';
import type { HealthParts } from './health.ts';
import type { QuarantineService } from './quarantine.ts';

/** Default metrics that the Bun runtime reports wrongly. */
const misleading = /^(nodejs_gc_|nodejs_active_|process_virtual_memory_bytes$|process_heap_bytes$)/;

/** A registry with the process's own metrics. */
export function createMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (misleading.test(name)) registry.removeSingleMetric(name);
  }
  return registry;
}

/** Shows buffer, flusher and journal; each value is read when it is asked for. */
export function observeEngine(registry: Registry, parts: HealthParts): void {
  const { backlog, buffer, flusher, journal, counted } = parts;
  const registers = [registry];
  new Gauge({
    name: 'persistence_buffer_size',
    help: 'Current buffer size',
    labelNames: ['type'],
    registers,
    collect() {
      this.set({ type: 'session' }, buffer.sizeOf(counted.sessions));
      this.set({ type: 'task' }, buffer.sizeOf(counted.tasks));
    },
  });
  new Counter({
    name: 'persistence_flush_total',
    help: 'Total flush operations',
    registers,
    collect() {
      this.reset();
      this.inc(flusher.statistics.flushes);
    },
  });
  new Gauge({
    name: 'persistence_journal_bytes',
    help: 'Size of the journal',
    registers,
    collect() {
      this.set(journal.bytes);
    },
  });
  new Gauge({
    name: 'persistence_journal_failed',
    help: '1 when the journal accepts nothing any more',
    registers,
    collect() {
      this.set(journal.mode === 'failed' ? 1 : 0);
    },
  });
  new Gauge({
    name: 'persistence_storage_held_up',
    help: '1 while storage takes no data',
    registers,
    collect() {
      this.set(flusher.isHeldUp ? 1 : 0);
    },
  });
  new Gauge({
    name: 'persistence_flusher_state',
    help: '1 for the state that the flusher is in',
    labelNames: ['state'],
    registers,
    collect() {
      const { mode } = flusher.state;
      for (const state of flusherModes) this.set({ state }, state === mode ? 1 : 0);
    },
  });
  new Counter({
    name: 'persistence_storage_errors_total',
    help: 'Failed attempts to write to storage, by what there is to do about it',
    labelNames: ['class'],
    registers,
    collect() {
      this.reset();
      for (const [remedy, count] of flusher.statistics.errors) this.inc({ class: remedy }, count);
    },
  });
  new Gauge({
    name: 'persistence_backlog_on_disk_only',
    help: '1 while a part of the backlog is in the journal only',
    registers,
    collect() {
      this.set(backlog.isBehind ? 1 : 0);
    },
  });
}

/** Shows what is in the quarantine, and what has come and gone since the start. */
export function observeQuarantine(
  registry: Registry,
  quarantine: Quarantine,
  { counts }: Pick<QuarantineService, 'counts'>,
): void {
  const registers = [registry];
  new Gauge({
    name: 'persistence_quarantine_records',
    help: 'Records that storage refuses for good',
    labelNames: ['collection', 'code'],
    registers,
    collect() {
      this.reset();
      for (const { collection, code } of quarantine.entries) this.inc({ collection: collection ?? '', code });
    },
  });
  new Counter({
    name: 'persistence_quarantine_added_total',
    help: 'Records put into the quarantine',
    registers,
    collect() {
      this.reset();
      this.inc(quarantine.added);
    },
  });
  new Counter({
    name: 'persistence_quarantine_retried_total',
    help: 'Quarantined records that were tried again',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      this.inc({ outcome: 'stored' }, counts.stored);
      this.inc({ outcome: 'refused' }, counts.refused);
    },
  });
  new Counter({
    name: 'persistence_quarantine_discarded_total',
    help: 'Quarantined records that were discarded',
    registers,
    collect() {
      this.reset();
      this.inc(counts.discarded);
    },
  });
}
