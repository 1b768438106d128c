/** `npm run test:crash` runs the long form of the tests that try faults at random; `npm test` runs the short one. */
export const isLongForm = process.env.TEST_LONG === '1';

/** What the random choices of a test come from; TEST_SEED=… tries others. */
export const seed = Number(process.env.TEST_SEED ?? 42);
