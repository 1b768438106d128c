import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The architecture as rules on imports: `docs/architecture.md` says why, this says whether. */

/** Each layer may import those behind it in this list, and itself. */
const layers = [
  'main.ts',
  'start.ts',
  'app.ts',
  'cli',
  'modules',
  'dashboard',
  'http',
  'engine',
  'journal',
  'storage',
  'config',
  'platform',
];
/** Layers whose folders are siblings: features, storage plugins. */
const foldersOfSiblings = ['modules', 'storage'];
const plugins = ['storage/mysql/', 'storage/sqlite/'];
const sqlOfPlugins = 'storage/sql/';

/** Packages that only some files may use. */
const packageRules: [packages: RegExp, files: RegExp][] = [
  [/^(elysia|@elysiajs\/.+)$/, /^(app\.ts$|http\/|modules\/[^/]+\/(index|model|[a-z]+-(routes|model))\.ts$)/],
  [/^(mysql2|bun:sqlite|drizzle-orm)(\/|$)/, /^storage\/(mysql|sqlite|sql)\//],
];

/** A file of `src` and what it imports: other files of `src` by their paths, packages by their names. */
interface Source {
  path: string;
  files: string[];
  packages: string[];
  /** Its code without comments and types. */
  code: string;
}

const root = join(import.meta.dir, '../../src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .toSorted()
  .map((path) => sourceOf(path, readFileSync(join(root, path), 'utf8')));

const rules: [guarantee: string, violations: (sources: readonly Source[]) => string[]][] = [
  ['every file belongs to a layer', strangers],
  ['imports go down the list of layers', upwardImports],
  ['features do not import each other, nor do storage plugins', siblingImports],
  ['nothing but the composition root imports a storage plugin', pluginImports],
  ['storage/sql serves the SQL plugins only', sharedSqlImports],
  ['the web framework stays at the edge, drivers and query builders inside the plugins', packageImports],
  ['nothing outside src is imported but the manifest', outsideImports],
  ['no file imports itself in a circle', cycles],
  ['only main.ts ends the process', exits],
];

describe('the source tree', () => {
  for (const [guarantee, violations] of rules) {
    test(guarantee, () => {
      expect(violations(sources)).toEqual([]);
    });
  }

  test('has been read: every import that the transpiler sees is among those that are checked', () => {
    expect(sources.length).toBeGreaterThan(40);
    const transpiler = new Bun.Transpiler({ loader: 'ts' });
    for (const { path, files, packages } of sources) {
      const seen = transpiler
        .scanImports(readFileSync(join(root, path), 'utf8'))
        .map((found) => resolve(path, found.path));
      expect([...files, ...packages]).toEqual(expect.arrayContaining(seen));
    }
  });
});

describe('a violation is found', () => {
  const cases: [what: string, tree: Record<string, string>, found: string[]][] = [
    [
      'a layer that imports one above it, be it only a type',
      { 'engine/a.ts': "import type { B } from '../modules/b/service.ts';", 'modules/b/service.ts': '' },
      ['engine/a.ts → modules/b/service.ts'],
    ],
    [
      'an import of several lines',
      { 'platform/a.ts': "import {\n  type B,\n  c,\n} from '../config/b.ts';", 'config/b.ts': '' },
      ['platform/a.ts → config/b.ts'],
    ],
    [
      'an export from above',
      { 'http/a.ts': "export { b } from '../app.ts';", 'app.ts': '' },
      ['http/a.ts → app.ts'],
    ],
    [
      'an import at run time, and one for its effects',
      {
        'journal/a.ts': "const b = await import('../engine/b.ts');",
        'journal/c.ts': "import '../engine/b.ts';",
        'engine/b.ts': '',
      },
      ['journal/a.ts → engine/b.ts', 'journal/c.ts → engine/b.ts'],
    ],
    [
      'a feature that imports another',
      { 'modules/a/index.ts': "import { b } from '../b/model.ts';", 'modules/b/model.ts': '' },
      ['modules/a/index.ts → modules/b/model.ts'],
    ],
    [
      'a plugin that imports another',
      {
        'storage/sqlite/a.ts': "import { b } from '../mysql/b.ts';",
        'storage/mysql/b.ts': '',
      },
      ['storage/sqlite/a.ts → storage/mysql/b.ts', 'storage/sqlite/a.ts → storage/mysql/b.ts'],
    ],
    [
      'the engine, or storage itself, importing a plugin',
      {
        'engine/a.ts': "import { b } from '../storage/mysql/b.ts';",
        'storage/registry.ts': "import { b } from './mysql/b.ts';",
        'storage/mysql/b.ts': '',
        'start.ts': "import { b } from './storage/mysql/b.ts';",
      },
      ['engine/a.ts → storage/mysql/b.ts', 'storage/registry.ts → storage/mysql/b.ts'],
    ],
    [
      'shared SQL outside the plugins',
      { 'engine/a.ts': "import { b } from '../storage/sql/b.ts';", 'storage/sql/b.ts': '' },
      ['engine/a.ts → storage/sql/b.ts'],
    ],
    [
      'the web framework in a service',
      { 'modules/a/service.ts': "import { t } from 'elysia';" },
      ['modules/a/service.ts → elysia'],
    ],
    [
      'a driver in the engine',
      {
        'engine/a.ts': "import type { Pool } from 'mysql2/promise';\nimport { Database } from 'bun:sqlite';",
      },
      ['engine/a.ts → mysql2/promise', 'engine/a.ts → bun:sqlite'],
    ],
    [
      'an import of tests',
      { 'platform/a.ts': "import { b } from '../../test/support/b.ts';" },
      ['platform/a.ts → ../test/support/b.ts'],
    ],
    [
      'a circle',
      {
        'engine/a.ts': "import { b } from './b.ts';",
        'engine/b.ts': "import { c } from './c.ts';",
        'engine/c.ts': "import type { a } from './a.ts';",
      },
      ['engine/a.ts → engine/b.ts → engine/c.ts → engine/a.ts'],
    ],
    ['an exit', { 'start.ts': 'export const stop = () => process.exit(1); // main.ts' }, ['start.ts']],
    ['a new folder', { 'stuff/a.ts': '' }, ['stuff/a.ts']],
  ];
  for (const [what, tree, found] of cases) {
    test(what, () => {
      const invented = Object.entries(tree).map(([path, code]) => sourceOf(path, code));
      expect(rules.flatMap(([, violations]) => violations(invented))).toEqual(found);
    });
  }

  test('but not where a comment or a text looks like one', () => {
    const code =
      "// import { a } from '../modules/a.ts';\n/* process.exit(1) */\nexport const text = 'elysia';";
    expect(rules.flatMap(([, violations]) => violations([sourceOf('platform/a.ts', code)]))).toEqual([]);
  });
});

function sourceOf(path: string, text: string): Source {
  const statements = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const imported = [
    ...statements.matchAll(/^(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]/gm),
    ...statements.matchAll(/^import\s*['"]([^'"]+)['"]/gm),
    ...statements.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
  ].map(([, name = '']) => resolve(path, name));
  const isFile = (name: string): boolean => /\.[cm]?tsx?$/.test(name) || name.startsWith('..');
  return {
    path,
    files: imported.filter(isFile),
    packages: imported.filter((name) => !isFile(name)),
    code: new Bun.Transpiler({ loader: 'ts' }).transformSync(text),
  };
}

/** The path within `src` of what a file imports; a package stays as it is. */
function resolve(path: string, name: string): string {
  return name.startsWith('.') ? join(dirname(path), name) : name;
}

function layerOf(path: string): number {
  return layers.indexOf(path.split('/')[0] ?? '');
}

/** `a → b` for each import of a file of `src` that breaks a rule. */
function fileImports(all: readonly Source[], isWrong: (from: string, to: string) => boolean): string[] {
  return all.flatMap(({ path, files }) =>
    files.filter((to) => !to.startsWith('..') && isWrong(path, to)).map((to) => `${path} → ${to}`),
  );
}

function strangers(all: readonly Source[]): string[] {
  return all.map(({ path }) => path).filter((path) => layerOf(path) === -1);
}

function upwardImports(all: readonly Source[]): string[] {
  return fileImports(all, (from, to) => layerOf(to) < layerOf(from));
}

function siblingImports(all: readonly Source[]): string[] {
  return fileImports(all, (from, to) => {
    const [layer = '', folder, file] = from.split('/');
    const [otherLayer, other, otherFile] = to.split('/');
    if (!foldersOfSiblings.includes(layer) || layer !== otherLayer) return false;
    if (file === undefined || otherFile === undefined || folder === other) return false;
    return !to.startsWith(sqlOfPlugins);
  });
}

function pluginImports(all: readonly Source[]): string[] {
  const pluginOf = (path: string): string | undefined => plugins.find((plugin) => path.startsWith(plugin));
  return fileImports(
    all,
    (from, to) => pluginOf(to) !== undefined && pluginOf(to) !== pluginOf(from) && from !== 'start.ts',
  );
}

function sharedSqlImports(all: readonly Source[]): string[] {
  return fileImports(
    all,
    (from, to) =>
      to.startsWith(sqlOfPlugins) && ![...plugins, sqlOfPlugins].some((folder) => from.startsWith(folder)),
  );
}

function packageImports(all: readonly Source[]): string[] {
  return all.flatMap(({ path, packages }) =>
    packages
      .filter((name) => packageRules.some(([rule, files]) => rule.test(name) && !files.test(path)))
      .map((name) => `${path} → ${name}`),
  );
}

function outsideImports(all: readonly Source[]): string[] {
  return all.flatMap(({ path, files }) =>
    files.filter((to) => to.startsWith('..') && to !== '../package.json').map((to) => `${path} → ${to}`),
  );
}

function cycles(all: readonly Source[]): string[] {
  const importsOf = new Map(all.map(({ path, files }) => [path, files]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start !== -1) found.push([...way.slice(start), path].join(' → '));
    if (start !== -1 || done.has(path)) return;
    for (const next of importsOf.get(path) ?? []) visit(next, [...way, path]);
    done.add(path);
  };
  for (const { path } of all) visit(path, []);
  return found;
}

function exits(all: readonly Source[]): string[] {
  return all
    .filter(
      ({ path, code }) => path !== 'main.ts' && /\bprocess\s*\??\.\s*(exit|abort|reallyExit)\b/.test(code),
    )
    .map(({ path }) => path);
}
