import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** What keeps the tree pleasant to read and no linter knows. */

const root = join(import.meta.dir, '../..');
const linesMax = 400;

interface TextFile {
  path: string;
  text: string;
}

/** What is wrong with a file, one sentence each. */
type Rule = [guarantee: string, problems: (file: TextFile) => string[]];

const sourceRules: Rule[] = [
  [`no file is longer than ${linesMax} lines`, tooLong],
  ['no type is given up, and no complaint of the compiler silenced', givenUpTypes],
  ['nothing is left for later', leftovers],
  ['exports have names', defaultExports],
  ['the main class or function of a file says what it is for', undocumented],
];

describe('in src', () => {
  for (const [guarantee, problems] of sourceRules) {
    test(guarantee, () => {
      expect(filesIn('src').flatMap(problems)).toEqual([]);
    });
  }
});

test('every test runs', () => {
  expect(filesIn('test').flatMap(disabledTests)).toEqual([]);
});

test('no folder is a grab-bag', () => {
  const folders = ['src', 'test', 'scripts'].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name),
  );
  expect(folders.filter((name) => grabBags.test(name))).toEqual([]);
});

test('nothing in the tree depends on where and how it was written', () => {
  const notOurs = new Set(['.git', '.toolchain', 'node_modules', 'dist', 'data']);
  const tops = readdirSync(root, { withFileTypes: true }).filter(({ name }) => !notOurs.has(name));
  const paths = tops.flatMap((top) => {
    if (top.isFile()) return [top.name];
    const below = readdirSync(join(root, top.name), { recursive: true, withFileTypes: true });
    return below
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  });
  expect(paths.length).toBeGreaterThan(50);
  // The run of the checks may start a server that stands beside the checkout.
  expect(
    paths
      .filter((path) => path !== '.ci/run')
      .map(fileAt)
      .flatMap(workplaceNames),
  ).toEqual([]);
});

describe('what is untidy is found', () => {
  const cases: [what: string, problems: Rule[1], untidy: string, tidy: string][] = [
    ['length', tooLong, 'a\n'.repeat(401), 'a\n'.repeat(400)],
    ['a type given up', givenUpTypes, 'const a: any = b;', "const a = { is: 'any of' }; // as any other"],
    ['a list of it', givenUpTypes, 'function a(b: any[]): void {}', 'const company: many = b;'],
    ['a type asserted away', givenUpTypes, 'call(b as any);', 'call(b as unknown);'],
    ['the compiler silenced', givenUpTypes, '// @ts-expect-error', '// expect an error'],
    ['an intention', leftovers, '// TODO: later', '// to do so'],
    ['a default export', defaultExports, 'export default class A {}', 'export class A {} // default'],
    ['a renamed default export', defaultExports, 'export { a as default };', 'export { a as b };'],
    [
      'a silent function',
      undocumented,
      'export function a(): void {}',
      '/** Does. */\nexport function a() {}',
    ],
    [
      'a silent class',
      undocumented,
      '// A.\nexport class A {}',
      '/**\n * A.\n */\nexport abstract class A {}',
    ],
    ['a test left out', disabledTests, `test.${'skip'}('a', b);`, "test('skip', b);"],
    ['a test alone', disabledTests, `describe.${'only'}('a', b);`, 'const { only } = test;'],
    ['a path', workplaceNames, `see /work/${'main'}/src`, 'see src/work/main'],
  ];
  for (const [what, problems, untidy, tidy] of cases) {
    test(what, () => {
      expect(problems({ path: 'a.ts', text: untidy })).toEqual([expect.stringContaining('a.ts')]);
      expect(problems({ path: 'a.ts', text: tidy })).toEqual([]);
    });
  }
});

const grabBags = /^(utils?|helpers?|libs?|commons?|misc)$/i;

/** Paths of one machine, papers that are not part of the repository, numbers that mean nothing outside a tracker. */
const workplace =
  /(^|[^\w/])\/work\/(main|shared)\b|\bshared\/(bin|hooks|spec)\b|\b(DESIGN|STYLE|ECOSYSTEM)[.]md|\bissue #\d/i;

function tooLong({ path, text }: TextFile): string[] {
  const lines = text.trimEnd().split('\n').length;
  return lines > linesMax ? [`${path} has ${lines} lines`] : [];
}

function givenUpTypes({ path, text }: TextFile): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/(?!.*@ts-).*$/gm, '');
  return findings(path, code, /(?:[:<|&,=(]|\bas|\bextends)\s*any\b\s*(?:[[\]();,>|&={]|$)|@ts-\w+/gm);
}

function leftovers({ path, text }: TextFile): string[] {
  return findings(path, text, /\b(TODO|FIXME|XXX|HACK)\b/g);
}

function defaultExports({ path, text }: TextFile): string[] {
  return findings(path, text, /^export default\b|^export \{[^}]*\bas default\b/gm);
}

function undocumented({ path, text }: TextFile): string[] {
  const main = /^export (?:async |abstract )?(?:function\*?|class) (\w+)/m.exec(text);
  if (main === null) return [];
  const documented = /\*\/\n$/.test(text.slice(0, main.index));
  return documented ? [] : [`${path}: ${main[1]} has no doc comment`];
}

function disabledTests({ path, text }: TextFile): string[] {
  return findings(path, text, /\b(?:test|it|describe)\.(?:only|skip|todo|failing)\b/g);
}

function workplaceNames({ path, text }: TextFile): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (workplace.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
}

function findings(path: string, text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([found]) => `${path}: ${found.trim()}`);
}

function filesIn(top: string): TextFile[] {
  return readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .toSorted()
    .map((path) => fileAt(join(top, path)));
}

function fileAt(path: string): TextFile {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}
