import { join } from 'node:path';

const main = join(import.meta.dir, '../../src/main.ts');

/** Runs the program to its end, in an environment of its own and on a free port. */
export async function runProgram(args: readonly string[], environment: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, main, ...args], {
    env: { PATH: process.env.PATH ?? '', PORT: '0', ...environment },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    // Ends a service that should not have started.
    timeout: 20_000,
  });
  const [out, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, errors };
}
