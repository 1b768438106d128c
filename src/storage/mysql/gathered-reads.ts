import DataLoader from 'dataloader';

/** With fewer statements on their way a read is sent at once; else it waits for one to come back, with others. */
const statementsAtATime = 2;
const keysMax = 100;

/**
 * Reads single records by few statements: clients ask for them by the thousand, and to send a statement takes longer
 * than to look up some more keys.
 * @param read gives the records that there are, in any order of keys.
 */
export function gatheredReads<Row>(
  read: (keys: readonly string[]) => Promise<ReadonlyMap<string, Row>>,
): (key: string) => Promise<Row | undefined> {
  const waiting: (() => void)[] = [];
  let running = 0;
  const loader = new DataLoader<string, Row | undefined>(
    async (keys) => {
      running += 1;
      try {
        const found = await read(keys);
        return keys.map((key) => found.get(key));
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
    {
      cache: false,
      maxBatchSize: keysMax,
      // Its first key is there a moment later.
      batchScheduleFn: (send) => (running < statementsAtATime ? queueMicrotask(send) : waiting.push(send)),
    },
  );
  return (key) => loader.load(key);
}
