import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { statusOf } from '../../src/http/errors.ts';
import { errorCodes } from '../../src/platform/errors.ts';

interface DocumentedCode {
  code: string;
  status: number;
  meaning: string;
  advice: string;
}

const documented = codesOf(readFileSync(join(import.meta.dir, '../../docs/errors.md'), 'utf8'));

test('docs/errors.md lists every error code, in the order of the table, with its status and its sentence', () => {
  expect(documented.map(({ code, status, meaning }) => ({ code, status, meaning }))).toEqual(
    Object.entries(errorCodes).map(([code, meaning]) => ({
      code,
      status: statusOf[code as keyof typeof errorCodes],
      meaning,
    })),
  );
});

test('the statuses are in the order of the error codes', () => {
  expect(Object.keys(statusOf)).toEqual(Object.keys(errorCodes));
});

test('docs/errors.md says of each error code what to do', () => {
  expect(documented.filter(({ advice }) => advice.length < 20)).toEqual([]);
});

/** The rows whose first cell is a code; code marks within a cell do not count as text. */
function codesOf(markdown: string): DocumentedCode[] {
  return markdown.split('\n').flatMap((line) => {
    const [, code, status, meaning, advice] =
      /^\| `([A-Z_]+)` \| (\d+) \| (.+?) \| (.+?) \|$/.exec(line)?.map((cell) => cell.replaceAll('`', '')) ??
      [];
    if (code === undefined || meaning === undefined || advice === undefined) return [];
    return [{ code, status: Number(status), meaning, advice }];
  });
}
