/** How much a run measures. */
export interface Sizes {
  /** Times that service and bare limit take turns. */
  rounds: number;
  /** Of an unpaced load, each round. */
  loadSeconds: number;
  /** Of a load at a steady rate, and of its beginning that is not counted. */
  steadySeconds: number;
  steadyWarmUpSeconds: number;
  /** Records of a backlog. */
  drainRecords: number;
  updates: number;
  updatedTasks: number;
  /** Tasks in the database that is read from: a multiple of 10,000; one in ten is in one session. */
  storedTasks: number;
  /** For each read; as long as it takes for `readSamplesMin` if that is longer. */
  readSeconds: number;
  readSamplesMin: number;
  replayRecords: number;
  starts: number;
}

export const sizesOf = {
  full: {
    rounds: 3,
    loadSeconds: 4,
    steadySeconds: 20,
    steadyWarmUpSeconds: 3,
    drainRecords: 20_000,
    updates: 100_000,
    updatedTasks: 10_000,
    storedTasks: 1_000_000,
    readSeconds: 0.5,
    readSamplesMin: 5,
    replayRecords: 1_000_000,
    starts: 7,
  },
  quick: {
    rounds: 1,
    loadSeconds: 1,
    steadySeconds: 2,
    steadyWarmUpSeconds: 0.5,
    drainRecords: 5_000,
    updates: 10_000,
    updatedTasks: 1_000,
    storedTasks: 100_000,
    readSeconds: 0.02,
    readSamplesMin: 2,
    replayRecords: 50_000,
    starts: 3,
  },
  /** Shows that everything runs, and nothing else. */
  tiny: {
    rounds: 1,
    loadSeconds: 0.2,
    steadySeconds: 0.5,
    steadyWarmUpSeconds: 0.2,
    drainRecords: 500,
    updates: 500,
    updatedTasks: 100,
    storedTasks: 10_000,
    readSeconds: 0,
    readSamplesMin: 1,
    replayRecords: 1_000,
    starts: 1,
  },
} as const satisfies Record<string, Sizes>;

export type Form = keyof typeof sizesOf;
