import { afterAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { families } from '../bench/families.ts';
import { judged } from '../bench/line.ts';
import { usage } from '../bench/options.ts';
import type { Results } from '../bench/report.ts';
import { storages } from '../support/storages.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = join(import.meta.dir, '../..');
const document = readFileSync(join(root, 'docs/performance.md'), 'utf8');
const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

describe('a run of the benchmark', () => {
  const mysqlUrl = process.env.TEST_MYSQL9_URL ?? process.env.TEST_MARIADB_URL;
  // Without a server the lines on MySQL are left out, as the tests on it are.
  const withMysql = storages.length > 1;
  const names = ['accept-durable', 'accept-durable.processor', ...(withMysql ? ['statements'] : [])];

  test('prints a table and writes the results that the documentation describes', async () => {
    const file = join(folder.path, 'results.json');
    const { code, output } = await bench(
      ['--tiny', '--only', 'accept-durable,statements', '--results', file],
      withMysql ? { BENCH_MYSQL_URL: mysqlUrl ?? '' } : {},
      withMysql ? [] : ['--storage', 'sqlite'],
    );
    expect(output).toMatch(/^what +value +unit +bare limit +ratio +target +met$/m);
    expect(code).toBe(0);
    const results = (await Bun.file(file).json()) as Results;
    expect(Object.keys(results).toSorted()).toEqual(documentedKeys('The file'));
    expect(results.lines.map(({ name }) => name)).toEqual(names);
    for (const line of results.lines) {
      expect(Object.keys(line).toSorted()).toEqual(documentedKeys('A line'));
      expect(line.value).toBeGreaterThan(0);
      expect(line.limit).toBeGreaterThan(0);
      expect(line.ratio).toBeCloseTo(line.value / (line.limit ?? Number.NaN), 2);
    }
  });

  test('refuses what it does not know', async () => {
    for (const args of [['--only', 'nothing'], ['--storage', 'paper'], ['--fast']]) {
      const { code, errors } = await bench(args);
      expect(code).toBe(2);
      expect(errors).toContain('Usage: npm run bench');
    }
  });
});

describe('a line', () => {
  const measured = { name: 'a', what: 'a', value: 80, unit: 'ms', limit: { value: 100, what: 'bare' } };

  test('meets its target when each bound holds, of the value or of the ratio to its limit', () => {
    const verdicts = [
      [{ of: 'ratio', atLeast: 0.8 }],
      [{ of: 'ratio', atLeast: 0.81 }],
      [{ of: 'value', atMost: 80 }],
      [{ of: 'value', atMost: 79 }],
      [
        { of: 'ratio', atLeast: 0.5 },
        { of: 'value', atLeast: 90 },
      ],
    ] as const;
    expect(verdicts.map((targets) => judged({ ...measured, targets }).met)).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
  });

  test('without a target or a limit has no verdict and no ratio', () => {
    expect(judged({ ...measured, limit: undefined })).toMatchObject({ met: null, ci_met: null, ratio: null });
    const targets = [{ of: 'ratio', atMost: 1 }] as const;
    expect(judged({ ...measured, limit: undefined, targets }).met).toBe(false);
  });
});

test('the documentation names every line and every option', () => {
  for (const { name } of families) expect(document).toContain(`\`${name}\``);
  for (const [option] of usage.matchAll(/--[a-z]+/g)) expect(document).toContain(`\`${option}`);
});

async function bench(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  more: readonly string[] = [],
): Promise<{ code: number; output: string; errors: string }> {
  const run = Bun.spawn([process.execPath, join(root, 'test/bench/main.ts'), ...args, ...more], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, code] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
  return { code, output, errors };
}

/** The keys in the first column of the table under a heading. */
function documentedKeys(heading: string): string[] {
  const section = document.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, key = '']) => key).toSorted();
}
