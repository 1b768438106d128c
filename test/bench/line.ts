import type { Bench, StorageKind } from './bench.ts';

/** A bound that a line is held to: of what was measured, or of its ratio to the bare limit. */
export interface Target {
  of: 'value' | 'ratio';
  atLeast?: number;
  atMost?: number;
}

/** One figure, as a family measures it. */
export interface Measurement {
  /** Unique in a run: the family's name, and what of it. */
  name: string;
  what: string;
  value: number;
  unit: string;
  /** What a bare program got in the same run. */
  limit?: { value: number; what: string } | undefined;
  targets?: readonly Target[];
  /** Wider bounds, which a busy machine does not break: only they fail a run with `--ci`. */
  ciTargets?: readonly Target[];
  /** How many measurements the figure stands for. */
  samples?: number;
  note?: string;
  /** In the results only; the table has a line that sums it up. */
  detail?: boolean;
}

/** A measurement with its verdict, as the results file has it. */
export interface Line {
  name: string;
  what: string;
  value: number;
  unit: string;
  limit: number | null;
  limit_is: string | null;
  ratio: number | null;
  targets: readonly Target[];
  /** Null without a target. */
  met: boolean | null;
  /** Null where `--ci` looks at nothing. */
  ci_met: boolean | null;
  samples: number | null;
  note: string | null;
  detail: boolean;
}

/** Lines that are measured together. */
export interface Family {
  name: string;
  /** Precisely what is measured. */
  measures: string;
  /** The bare program that it is compared with. */
  limit: string;
  storages: readonly StorageKind[];
  run(bench: Bench, storage: StorageKind): Promise<Measurement[]>;
}

/** Judges a measurement by its targets. */
export function judged(measurement: Measurement): Line {
  const { name, what, value, unit, limit, targets = [], ciTargets = [] } = measurement;
  const ratio = limit === undefined || limit.value === 0 ? null : value / limit.value;
  return {
    name,
    what,
    value: rounded(value),
    unit,
    limit: limit === undefined ? null : rounded(limit.value),
    limit_is: limit?.what ?? null,
    ratio: ratio === null ? null : rounded(ratio),
    targets,
    met: isMet(targets, { value, ratio }),
    ci_met: isMet(ciTargets, { value, ratio }),
    samples: measurement.samples ?? null,
    note: measurement.note ?? null,
    detail: measurement.detail ?? false,
  };
}

/** Whether figures hold all bounds; null without one. */
export function isMet(
  targets: readonly Target[],
  figures: Record<Target['of'], number | null>,
): boolean | null {
  return targets.length === 0 ? null : targets.every((target) => isWithin(target, figures[target.of]));
}

export function targetText({ of, atLeast, atMost }: Target): string {
  const bound = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  return of === 'ratio' ? `ratio ${bound}` : bound;
}

function isWithin({ atLeast, atMost }: Target, figure: number | null): boolean {
  if (figure === null) return false;
  return figure >= (atLeast ?? Number.NEGATIVE_INFINITY) && figure <= (atMost ?? Number.POSITIVE_INFINITY);
}

/** Four significant digits, more than these figures are worth. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
