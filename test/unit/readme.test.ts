import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configSchema, environmentAliases } from '../../src/config/schema.ts';

/**
 * The table of settings in the README, with rows such as
 * `` | `buffer.flush_interval` | `BUFFER_FLUSH_INTERVAL` | `30` | Seconds between flushes. | ``
 */
interface Row {
  key: string;
  /** What the second and third columns hold in code spans. */
  names: string[];
  defaults: string[];
  description: string;
}

const rows = settingRows(readFileSync(join(import.meta.dir, '../../README.md'), 'utf8'));

test('the table of settings lists every key of the schema once, and nothing else', () => {
  expect(rows.map(({ key }) => key).toSorted()).toEqual(
    settings()
      .map(({ key }) => key)
      .toSorted(),
  );
});

for (const { key, names, short, fallback } of settings()) {
  test(`the table says how the environment names ${key}, its default, and what it does`, () => {
    const row = rows.find((each) => each.key === key);
    // Where there is a short name it is the one to use; the long one may stand beside it.
    expect(row?.names.filter((name) => name !== short)).toEqual(
      short === undefined ? names : expect.any(Array),
    );
    for (const name of row?.names ?? []) expect([...names, short]).toContain(name);
    if (short !== undefined) expect(row?.names).toContain(short);
    expect(row?.defaults).toEqual(fallback === undefined || fallback === '' ? [] : [String(fallback)]);
    expect(row?.description).not.toBeEmpty();
  });
}

interface Setting {
  key: string;
  names: string[];
  /** The environment's other name for it. */
  short: string | undefined;
  fallback: unknown;
}

function settings(): Setting[] {
  return Object.entries(configSchema.properties).flatMap(([section, { properties }]) =>
    Object.entries<{ default?: unknown }>(properties).map(([name, schema]) => {
      const key = `${section}.${name}`;
      // Backends are several and have names: no variable could hold them.
      const names = key === 'storage.backends' ? [] : [key.replace('.', '_').toUpperCase()];
      return { key, names, short: environmentAliases[key], fallback: schema.default };
    }),
  );
}

function settingRows(markdown: string): Row[] {
  return markdown.split('\n').flatMap((line) => {
    const [before, first = '', second = '', third = '', ...rest] = line.split(/(?<!\\)\|/);
    const key = /^ *`([a-z]+\.[a-z_]+)` *$/.exec(first)?.[1];
    if (before !== '' || key === undefined) return [];
    return [
      {
        key,
        names: codeSpans(second),
        defaults: codeSpans(third),
        description: rest.slice(0, -1).join('|').trim(),
      },
    ];
  });
}

function codeSpans(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}
