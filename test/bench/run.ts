import type { Bench, StorageKind } from './bench.ts';
import { families } from './families.ts';
import { judged, type Line, type Measurement } from './line.ts';

export interface Selection {
  only: readonly string[];
  storages: readonly StorageKind[];
}

/** One family on one storage: what is measured in one go. */
export interface Step {
  name: string;
  measure(bench: Bench): Promise<Measurement[]>;
}

export function stepsOf({ only, storages }: Selection): Step[] {
  return families
    .filter(({ name }) => only.length === 0 || only.includes(name))
    .flatMap((family) =>
      family.storages
        .filter((storage) => storages.includes(storage))
        .map((storage) => ({
          name: `${family.name} (${storage})`,
          measure: (bench: Bench) => family.run(bench, storage),
        })),
    );
}

/** Measures everything that is selected, one after the other, and says on standard error where it is. */
export async function measureAll(bench: Bench, selection: Selection): Promise<Line[]> {
  const lines: Line[] = [];
  for (const step of stepsOf(selection)) lines.push(...(await measureStep(bench, step)));
  return lines;
}

export async function measureStep(bench: Bench, { name, measure }: Step): Promise<Line[]> {
  const startedMs = performance.now();
  const measurements = await measure(bench);
  console.error(`bench: ${name}: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  return measurements.map(judged);
}
