// Runs the tests: `npm test`, or `npm test -- test/unit` for those whose path holds one of the arguments. The last line
// is always `tests: N passed, N failed`. An error outside of any test, like a file that does not load, is a failure.

import { spawn } from 'bun';

const testTimeoutMs = 120_000;
/** Far more than Bun's closing summary needs. */
const tailCharactersMax = 4096;

const tests = spawn(
  [process.execPath, 'test', '--timeout', String(testTimeoutMs), ...process.argv.slice(2)],
  {
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'pipe',
  },
);
// Told to stop, this process must not leave the tests and the servers they started running.
process.once('SIGTERM', () => tests.kill('SIGTERM'));

let tail = '';
const decoder = new TextDecoder();
for await (const chunk of tests.stderr) {
  process.stderr.write(chunk);
  tail = (tail + decoder.decode(chunk, { stream: true })).slice(-tailCharactersMax);
}
const exitCode = await tests.exited;

// The summary goes from ` N pass` to `Ran N tests`. A test may print such a line as well, so the last one counts.
const lines = tail.split('\n');
const start = lines.findLastIndex((line) => /^ *\d+ pass$/.test(line));
const summary = start === -1 ? [] : lines.slice(start);
const complete = summary.some((line) => /^Ran \d+ tests? across /.test(line));

const skipped = countOf('skip') + countOf('todo');
const passed = countOf('pass');
let failed = countOf('fail');
if (failed === 0 && (exitCode !== 0 || !complete)) {
  // An error after the last test, a crash, a test that ends the process.
  console.log(`tests: the run ended with exit code ${exitCode}${complete ? '' : ' and without a summary'}`);
  failed = 1;
}
if (passed + failed === 0) console.log('tests: none ran');
if (skipped > 0) console.log(`tests: ${skipped} skipped`);
console.log(`tests: ${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

function countOf(outcome: 'pass' | 'fail' | 'skip' | 'todo'): number {
  const line = summary.find((line) => line.endsWith(` ${outcome}`));
  return line ? Number.parseInt(line, 10) : 0;
}
