// Runs the tests: `npm test`, or `npm test -- test/unit` for those whose path holds one of the arguments. The last line
// is always `tests: N passed, N failed`. An error outside of any test, like a file that does not load, is a failure. So
// is an answer that docs/openapi.json does not describe and, after all tests, one of it that no test has brought about.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'bun';
import {
  notExercised,
  recordedAnswers,
  recordFolderVariable,
  undocumented,
} from '../test/support/api-coverage.ts';
import { ApiDocument } from '../test/support/api-document.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';

const testTimeoutMs = 120_000;
/** Far more than Bun's closing summary needs. */
const tailCharactersMax = 4096;

const root = join(import.meta.dir, '..');
const recorder = join(root, 'test/support/answer-recorder.ts');
const paths = process.argv.slice(2);
using records = temporaryFolder();

const tests = spawn(
  [process.execPath, 'test', '--timeout', String(testTimeoutMs), '--preload', recorder, ...paths],
  {
    env: { ...process.env, [recordFolderVariable]: records.path },
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
const problems = apiProblems();
for (const problem of problems) console.log(`tests: ${problem}`);
failed += problems.length;
if (passed + failed === 0) console.log('tests: none ran');
if (skipped > 0) console.log(`tests: ${skipped} skipped`);
console.log(`tests: ${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

function countOf(outcome: 'pass' | 'fail' | 'skip' | 'todo'): number {
  const line = summary.find((line) => line.endsWith(` ${outcome}`));
  return line ? Number.parseInt(line, 10) : 0;
}

/** How the answers that the tests got differ from the document; what no test asked for, if all tests ran. */
function apiProblems(): string[] {
  const answers = recordedAnswers(records.path);
  const wrong = undocumented(answers).map((problem) => `not as docs/openapi.json says: ${problem}`);
  // A test that has failed has not asked everything.
  if (paths.length > 0 || failed > 0) return wrong;
  const document = new ApiDocument(JSON.parse(readFileSync(join(root, 'docs/openapi.json'), 'utf8')));
  return [...wrong, ...notExercised(document, answers)];
}
