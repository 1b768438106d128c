import type { Family } from './line.ts';
import { acceptDurable } from './lines/accept-durable.ts';
import { acceptSteady } from './lines/accept-steady.ts';
import { drain } from './lines/drain.ts';
import { memory } from './lines/memory.ts';
import { pointReads } from './lines/point-reads.ts';
import { reads } from './lines/reads.ts';
import { restore } from './lines/restore.ts';
import { start } from './lines/start.ts';
import { statements } from './lines/statements.ts';

/** Everything that is measured, in the order of the table. */
export const families: readonly Family[] = [
  acceptDurable,
  acceptSteady,
  drain,
  statements,
  reads,
  pointReads,
  restore,
  start,
  memory,
];
