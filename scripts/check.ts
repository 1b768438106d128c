// What a change must pass besides the tests: `npm run check`. Every check runs even when one before it failed, so that
// one run tells everything there is to mend.

import { spawn } from 'bun';

interface Check {
  name: string;
  /** Arguments for Bun: a tool of node_modules runs under it whatever its first line says. */
  command: string[];
}

const checks: Check[] = [
  { name: 'format and lint', command: ['node_modules/.bin/biome', 'ci', '--colors=off', '.'] },
  { name: 'types', command: ['node_modules/.bin/tsc', '--noEmit'] },
  { name: 'dead code', command: ['node_modules/.bin/knip'] },
  { name: 'layers', command: ['test', './test/unit/layers.test.ts'] },
];

const failed: string[] = [];
for (const check of checks) {
  if (!(await passes(check))) failed.push(check.name);
}
if (failed.length > 0) {
  console.log(`check: failed: ${failed.join(', ')}`);
  process.exit(1);
}
console.log('check: passed');

async function passes({ name, command }: Check): Promise<boolean> {
  const startedMs = performance.now();
  const tool = spawn([process.execPath, ...command], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const [output, errors, code] = await Promise.all([tool.stdout.text(), tool.stderr.text(), tool.exited]);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`== ${name}: ${code === 0 ? 'passed' : `FAILED (exit code ${code})`} in ${seconds} s`);
  if (code !== 0) console.log(`${output}${errors}`.trimEnd());
  return code === 0;
}
