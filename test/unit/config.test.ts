import { afterAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BackendConfig, backendsOf } from '../../src/config/backends.ts';
import { ConfigError, type ConfigSources, loadConfig } from '../../src/config/load.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { sessions, tasks } from '../../src/modules/translation/records.ts';
import { createStorage } from '../../src/start.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const configFile = join(folder.path, 'config.yaml');
afterAll(() => folder[Symbol.dispose]());

const secret = 'hunter2';
const collections = [sessions.name, tasks.name];

describe('a flag wins over the environment, that over the file, that over the default', () => {
  const file = 'service: { port: 2000, host: file }\nlog: { level: warn }\n';
  const cases: [what: string, sources: Sources, port: number, host: string, level: string][] = [
    ['nothing is set', {}, 8001, '127.0.0.1', 'info'],
    ['the file', { file }, 2000, 'file', 'warn'],
    [
      'file and environment',
      { file, environment: { PORT: '3000', LOG_LEVEL: 'error' } },
      3000,
      'file',
      'error',
    ],
    [
      'all three',
      {
        file,
        environment: { PORT: '3000', HOST: 'environment', LOG_LEVEL: 'error' },
        flags: { 'service.port': '4000', 'log.level': 'debug' },
      },
      4000,
      'environment',
      'debug',
    ],
    ['a flag alone', { flags: { 'service.host': 'flag' } }, 8001, 'flag', 'info'],
    ['an empty variable, which counts as not set', { file, environment: { PORT: '' } }, 2000, 'file', 'warn'],
  ];
  for (const [what, sources, port, host, level] of cases) {
    test(what, () => {
      const { service, log } = load(sources);
      expect({ port: service.port, host: service.host, level: String(log.level) }).toEqual({
        port,
        host,
        level,
      });
    });
  }

  test('--config wins over CONFIG_FILE', () => {
    const other = join(folder.path, 'other.yaml');
    writeFileSync(configFile, 'service: { port: 2000 }');
    writeFileSync(other, 'service: { port: 2001 }');
    const environment = { CONFIG_FILE: other };
    expect(loadConfig({ flags: {}, environment }).service.port).toBe(2001);
    expect(loadConfig({ flags: { config: configFile }, environment }).service.port).toBe(2000);
  });
});

describe('every key can be set, and leaves the others at their defaults', () => {
  const defaults = load({});
  for (const { section, key, schema } of settings()) {
    const { text, value } = sampleOf(schema);
    const expected = withSetting(defaults, section, key, value);
    const variable = `${section}_${key}`.toUpperCase();
    test(`${section}.${key} by ${variable} and by the file`, () => {
      expect(load({ environment: { [variable]: text } })).toEqual(expected);
      expect(load({ file: `${section}:\n  ${key}: ${text}\n` })).toEqual(expected);
    });
  }

  test('PORT, HOST and DATA_DIR are short for SERVICE_PORT, SERVICE_HOST and SERVICE_DATA_DIR', () => {
    const { service } = load({ environment: { PORT: '1', HOST: '::', DATA_DIR: '/var/lib/data' } });
    expect(service).toMatchObject({ port: 1, host: '::', data_dir: '/var/lib/data' });
  });

  test('an empty file, and sections without keys, set nothing', () => {
    for (const file of ['', '# only a comment\n', 'buffer:\n', 'buffer: {}\nservice:\n  # port: 9000\n'])
      expect(load({ file })).toEqual(defaults);
  });

  test('a text that looks like a number stays as it is written', () => {
    for (const password of ['0123', '1e5', '0x1F', '1.50', '12345678901234567890', 'true']) {
      expect(load({ file: `database: { password: ${password} }` }).database.password).toBe(password);
      expect(load({ environment: { DATABASE_PASSWORD: password } }).database.password).toBe(password);
    }
  });
});

describe('a configuration that cannot be used says what is wrong, and where', () => {
  const cases: [what: string, sources: Sources, problems: RegExp[]][] = [
    [
      'an unknown key',
      { file: 'buffer:\n  flush_interval: 5\n  flush_intervall: 5\n' },
      [/^FILE:3:\d+: buffer\.flush_intervall is no setting/],
    ],
    [
      'an unknown section',
      { file: 'service: {}\nbufer:\n  x: 1\n' },
      [/^FILE:[23]:\d+: bufer is no setting/],
    ],
    [
      'words for a number',
      { file: 'buffer:\n\n  flush_interval: soon\n' },
      [/^FILE:3:\d+: buffer\.flush_interval .*number/],
    ],
    [
      'a fraction for an integer',
      { file: 'service:\n  port: 80.5\n' },
      [/^FILE:2:\d+: service\.port .*integer/],
    ],
    ['true for a number', { file: 'service:\n  port: true\n' }, [/^FILE:2:\d+: service\.port .*integer/]],
    ['a list for a text', { file: 'service:\n  host: [a]\n' }, [/^FILE:2:\d+: service\.host .*string/]],
    [
      'a journal in which the largest body has no room',
      { file: 'journal:\n  bytes_max: 65536\n' },
      [/:2:\d+: service\.body_bytes_max is 16777216, and may be 49152/],
    ],
    ['a number out of range', { file: 'service:\n  port: 65536\n' }, [/^FILE:2:\d+: service\.port .*65535/]],
    [
      'an interval of zero',
      { file: 'buffer: { flush_interval: 0 }' },
      [/^FILE:1:\d+: buffer\.flush_interval/],
    ],
    [
      'a word that is none of the allowed ones',
      { file: 'log:\n  level: loud\n' },
      [/^FILE:2:\d+: log\.level must be one of debug, info, warn, error/],
    ],
    ['a value for a section', { file: 'service: {}\nbuffer: 5\n' }, [/^FILE:2:\d+: buffer .*object/]],
    [
      'a value for a section of which the environment sets a key',
      { file: 'service: {}\nbuffer: 5\n', environment: { BUFFER_FLUSH_INTERVAL: '4' } },
      [/^FILE:2:\d+: buffer .*object/],
    ],
    [
      'several mistakes',
      { file: 'log:\n  level: loud\nbuffer:\n  max_buffer_size: 0\n' },
      [/^FILE:4:\d+: buffer\.max_buffer_size/, /^FILE:2:\d+: log\.level/],
    ],
    ['a bracket that is not closed', { file: 'service:\n  host: [1\n' }, [/^FILE:\d+:\d+: .*\]/]],
    ['a quote that is not closed', { file: 'service:\n  host: "x\n' }, [/^FILE:\d+:\d+: .*quote/]],
    ['a tab', { file: 'service:\n\tport: 1\n' }, [/^FILE:2:\d+: Tabs/]],
    [
      'a key given twice',
      { file: 'service:\n  port: 1\n  port: 2\n' },
      [/^FILE:3:\d+: Map keys must be unique/],
    ],
    ['two documents', { file: 'service: {}\n---\nlog: {}\n' }, [/^FILE:\d+:\d+: .*document/]],
    ['an alias of nothing', { file: 'service:\n  host: *other\n' }, [/^FILE:2:\d+: /]],
    ['a list', { file: '- service\n' }, [/^FILE: .*sections/]],
    ['a text', { file: 'service\n' }, [/^FILE: .*sections/]],
    [
      'words for a number in the environment',
      { environment: { BUFFER_FLUSH_INTERVAL: '10s' } },
      [/^environment BUFFER_FLUSH_INTERVAL: buffer\.flush_interval .*number/],
    ],
    [
      'a fraction for an integer in the environment',
      { environment: { BUFFER_MAX_BUFFER_SIZE: '1.5' } },
      [/^environment BUFFER_MAX_BUFFER_SIZE: buffer\.max_buffer_size .*integer/],
    ],
    [
      'an exponent for an integer, which must not be cut at its "e"',
      { environment: { BUFFER_MAX_BUFFER_SIZE: '1e3' } },
      [/^environment BUFFER_MAX_BUFFER_SIZE: /],
    ],
    [
      'a port that is none, under its short name',
      { environment: { PORT: '-1' } },
      [/^environment PORT: service\.port/],
    ],
    [
      'a flag, by the name it has on the command line',
      { flags: { 'log.level': 'loud', 'service.port': 'x' } },
      [/^command line --port: service\.port/, /^command line --log-level: log\.level/],
    ],
  ];
  for (const [what, sources, problems] of cases) {
    test(what, async () => {
      const found = (await problemsOf(() => load(sources))).map((problem) =>
        problem.replace(configFile, 'FILE'),
      );
      expect(found).toEqual(problems.map((problem) => expect.stringMatching(problem)));
    });
  }

  test('a file that is not there, or is a folder', async () => {
    for (const config of [join(folder.path, 'missing.yaml'), folder.path]) {
      const [problem] = await problemsOf(() => loadConfig({ flags: { config }, environment: {} }));
      expect(problem).toStartWith(`${config}: `);
    }
  });
});

describe('a password never appears in a message', () => {
  const cases: [what: string, sources: Sources][] = [
    ['an alias, since it starts with *', { file: `database:\n  password: *${secret}\n` }],
    ['a block of text, since it starts with >', { file: `database:\n  password: >${secret}\n` }],
    ['a tag, since it starts with !', { file: `database:\n  password: !a!${secret}\n` }],
    ['an escape that is none', { file: `database:\n  password: "\\U${secret}"\n` }],
    ['a reserved character', { file: `database:\n  password: @${secret}\n` }],
    ['a quote that is not closed', { file: `database:\n  password: "${secret}\n` }],
    ['text behind a quote', { file: `database:\n  password: "a" ${secret}\n` }],
    ['a list', { file: `database:\n  password: [${secret}]\n` }],
    ['braces', { file: `database:\n  password: {${secret}}\n` }],
    ['a colon', { file: `database:\n  password: a: ${secret}\n` }],
    ['a key that is none', { file: `database:\n  pasword: ${secret}\n` }],
    ['a list as the url', { file: `database:\n  url: [mysql://u:${secret}@h/d]\n` }],
    ['another database', { environment: { DATABASE_URL: `postgres://u:${secret}@h/d` } }],
    ['no scheme', { environment: { DATABASE_URL: `u:${secret}@h/d` } }],
    ['an unencoded /', { environment: { DATABASE_URL: `mysql://u:a/${secret}@h/d` } }],
    ['a broken percent-encoding', { environment: { DATABASE_URL: `mysql://u:${secret}%zz@h/d` } }],
    ['a port that is none', { environment: { DATABASE_URL: `mysql://u:${secret}@h:99999/d` } }],
    [
      'a backend of another type',
      {
        file: `storage:\n  backends:\n    main:\n      type: sqlite\n      enabled: true\n      config: { url: "mysql://u:${secret}@h/d" }\n      data_types: []\n`,
      },
    ],
  ];
  for (const [what, sources] of cases) {
    test(what, async () => {
      const problems = await problemsOf(() => backendsOf(load(sources), collections));
      expect(problems).not.toBeEmpty();
      expect(problems.join('\n')).not.toContain(secret);
    });
  }
});

describe('DATABASE_URL', () => {
  const mysql = (connection: Record<string, unknown>): Record<string, BackendConfig> => ({
    mysql: {
      type: 'mysql',
      collections,
      connection: {
        host: 'localhost',
        port: 3306,
        user: 'root',
        password: '',
        database: 'ai_terminal',
        poolSize: 10,
        statementLimitMs: 30_000,
        ...connection,
      },
    },
  });
  const sqlite = (path: string): Record<string, BackendConfig> => ({
    sqlite: { type: 'sqlite', collections, path },
  });
  const cases: [url: string, environment: Record<string, string>, backends: Record<string, BackendConfig>][] =
    [
      [
        'mysql://game:p%40ss%3Aw%2Frd%25%20%C3%BC@db.example:3307/translations',
        {},
        mysql({
          host: 'db.example',
          port: 3307,
          user: 'game',
          password: 'p@ss:w/rd% ü',
          database: 'translations',
        }),
      ],
      ['mysql://db', {}, mysql({ host: 'db' })],
      ['mariadb://u@db/x', {}, mysql({ host: 'db', user: 'u', database: 'x' })],
      ['mysql://u@[::1]:3306/x', {}, mysql({ host: '::1', user: 'u', database: 'x' })],
      [
        'mysql://u@db/x',
        { DATABASE_PASSWORD: '%41', DATABASE_POOL_SIZE: '3' },
        mysql({ host: 'db', user: 'u', password: '%41', database: 'x', poolSize: 3 }),
      ],
      [
        'mysql://u:own@db/x',
        { DATABASE_PASSWORD: 'other' },
        mysql({ host: 'db', user: 'u', password: 'own', database: 'x' }),
      ],
      ['sqlite:relative/file.sqlite', {}, sqlite('relative/file.sqlite')],
      ['sqlite:/absolute/file.sqlite', {}, sqlite('/absolute/file.sqlite')],
      ['sqlite:///absolute/file.sqlite', {}, sqlite('/absolute/file.sqlite')],
      ['sqlite:with space/ü.sqlite', {}, sqlite('with space/ü.sqlite')],
    ];
  for (const [url, environment, backends] of cases) {
    test(url, () => {
      expect(backendsOf(load({ environment: { ...environment, DATABASE_URL: url } }), collections)).toEqual(
        backends,
      );
    });
  }

  for (const url of [
    'postgres://h/d',
    'http://h',
    'nonsense',
    'mysql:',
    'mysql:///d',
    'sqlite:',
    'sqlite://',
  ]) {
    test(`"${url}" is refused, with the forms that are understood`, async () => {
      const [problem] = await problemsOf(() =>
        backendsOf(load({ environment: { DATABASE_URL: url } }), collections),
      );
      expect(problem).toMatch(/^database\.url: .*(mysql:\/\/|sqlite:)/);
    });
  }

  test('without one, a host selects MySQL, and nothing selects the embedded SQLite in the data folder', () => {
    expect(
      backendsOf(load({ environment: { DATABASE_HOST: 'db', DATABASE_USER: 'u' } }), collections),
    ).toEqual(mysql({ host: 'db', user: 'u' }));
    expect(backendsOf(load({ environment: { DATA_DIR: '/var/lib/x' } }), collections)).toEqual(
      sqlite('/var/lib/x/persistence.sqlite'),
    );
  });
});

describe('storage.backends', () => {
  const backends = (...lines: string[]): Sources => ({
    file: ['storage:', '  backends:', ...lines.map((line) => `    ${line}`)].join('\n'),
  });
  const everything = '[translation_sessions, translation_tasks]';

  test('routes each kind of record to the backend that names it', async () => {
    const config = load(
      backends(
        `archive: { type: sqlite, config: { path: ${folder.path}/a.sqlite }, data_types: [] }`,
        `main: { type: mysql, config: { host: db }, data_types: ${everything} }`,
      ),
    );
    const registry = await createStorage(config);
    expect([...registry.backends.keys()]).toEqual(['archive', 'main']);
    expect(registry.backendOf(sessions).kind).toBe('mysql');
    expect(registry.backendOf(tasks).kind).toBe('mysql');
    await closeAll(registry.backends.values());
  });

  test('the example of the specification works: a disabled backend may be of a kind that is yet to come', async () => {
    const config = load(
      backends(
        'mysql:',
        '  type: "mysql"',
        '  enabled: true',
        '  config:',
        '    host: "db.example"',
        '    port: 3306',
        '    database: "ai_terminal"',
        '  data_types:',
        '    - translation_sessions',
        '    - translation_tasks',
        'oss:',
        '  type: "oss"',
        '  enabled: false',
        '  config:',
        '    endpoint: "oss-cn-hangzhou.aliyuncs.com"',
        '    bucket: "translation-files"',
        '  data_types: [uploaded_files]',
      ),
    );
    const registry = await createStorage(config);
    expect([...registry.backends.keys()]).toEqual(['mysql']);
    expect(backendsOf(config, collections)).toMatchObject({
      mysql: { type: 'mysql', connection: { host: 'db.example', database: 'ai_terminal' } },
    });
    await closeAll(registry.backends.values());
  });

  test('a backend that says nothing of its connection uses the database section', () => {
    const { file } = backends(`main: { type: mysql, data_types: ${everything} }`);
    const config = load({ file: `${file}\ndatabase: { host: db, user: u, password: p }\n` });
    expect(backendsOf(config, collections)).toMatchObject({
      main: { connection: { host: 'db', user: 'u', password: 'p' } },
    });
  });

  test('a backend is enabled unless it says otherwise', () => {
    const config = load(
      backends(
        `one: { type: sqlite, data_types: ${everything} }`,
        `two: { type: sqlite, enabled: false, data_types: ${everything} }`,
      ),
    );
    expect(Object.keys(backendsOf(config, collections))).toEqual(['one']);
  });

  const refusals: [what: string, lines: string[], problem: RegExp][] = [
    [
      'no enabled backend for the tasks',
      ['main: { type: sqlite, config: {}, data_types: [translation_sessions] }'],
      /none of the enabled backends has the data type "translation_tasks"/,
    ],
    [
      'tasks apart from their sessions',
      [
        'main: { type: sqlite, config: {}, data_types: [translation_sessions] }',
        `other: { type: sqlite, config: { path: ${folder.path}/o }, data_types: [translation_tasks] }`,
      ],
      /translation_tasks.*same backend as.*translation_sessions/,
    ],
    [
      'a type that does not exist',
      [`main: { type: oss, enabled: true, config: {}, data_types: ${everything} }`],
      /:3:\d+: storage\.backends\.main\.type must be one of mysql, sqlite/,
    ],
    [
      'an unknown key of a connection',
      [`main: { type: sqlite, enabled: true, config: { pth: x }, data_types: ${everything} }`],
      /:3:\d+: storage\.backends\.main\.config\.pth is no setting/,
    ],
    [
      'a url of another type',
      [`main: { type: sqlite, enabled: true, config: { url: 'mysql://h/d' }, data_types: ${everything} }`],
      /storage\.backends\.main: the type is sqlite, but the url is for mysql/,
    ],
  ];
  for (const [what, lines, problem] of refusals) {
    test(`${what} is refused`, async () => {
      expect(await problemsOf(() => createStorage(load(backends(...lines))))).toEqual([
        expect.stringMatching(problem),
      ]);
    });
  }
});

/** What a configuration comes from; `file` is its text. */
interface Sources extends Partial<ConfigSources> {
  file?: string;
}

function load({ file, flags = {}, environment = {} }: Sources): Config {
  if (file === undefined) return loadConfig({ flags, environment });
  writeFileSync(configFile, file);
  return loadConfig({ flags: { ...flags, config: configFile }, environment });
}

/** The lines of the error with which a configuration is refused. */
async function problemsOf(attempt: () => unknown): Promise<readonly string[]> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

interface SettingSchema {
  format?: string;
  type?: string;
  default?: unknown;
  minimum?: number;
  anyOf?: { const: string }[];
}

/** Every key of the schema but the backends, which only a file can hold. */
function settings(): { section: string; key: string; schema: SettingSchema }[] {
  return Object.entries(configSchema.properties).flatMap(([section, { properties }]) =>
    Object.entries<SettingSchema>(properties)
      .filter(([key]) => key !== 'backends')
      .map(([key, schema]) => ({ section, key, schema })),
  );
}

/** A value that a setting may have and that is not its default, as a person writes it and as it is read. */
function sampleOf(schema: SettingSchema): { text: string; value: unknown } {
  const word = schema.anyOf?.map((each) => each.const).find((each) => each !== schema.default);
  if (word !== undefined) return { text: word, value: word };
  if (schema.format === 'schedule') return { text: '15 4 * * 1', value: '15 4 * * 1' };
  if (schema.type === 'string') return { text: 'some-text', value: 'some-text' };
  const value = Number(schema.default) + (schema.type === 'integer' ? 1 : 0.5);
  return { text: String(value), value };
}

function withSetting(config: Config, section: string, key: string, value: unknown): Config {
  const sections = config as unknown as Record<string, Record<string, unknown>>;
  return { ...sections, [section]: { ...sections[section], [key]: value } } as unknown as Config;
}

async function closeAll(backends: Iterable<{ close(): Promise<void> }>): Promise<void> {
  for (const backend of backends) await backend.close();
}
