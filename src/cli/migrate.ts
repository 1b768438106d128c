import { describeError } from '../platform/errors.ts';
import type { StorageBackend } from '../storage/contract.ts';

/**
 * Brings the tables of every backend up to date.
 * @returns the exit code.
 */
export async function migrate(backends: ReadonlyMap<string, StorageBackend>): Promise<number> {
  let exitCode = 0;
  for (const [name, backend] of backends) {
    try {
      await backend.open();
      console.log(`${name} (${backend.kind}): the tables are up to date`);
    } catch (error) {
      console.error(`${name} (${backend.kind}): cannot migrate: ${describeError(error)}`);
      exitCode = 1;
    } finally {
      await backend.close();
    }
  }
  return exitCode;
}
