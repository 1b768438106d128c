import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Invocation, parseCommandLine } from '../../src/cli/arguments.ts';
import { helpText } from '../../src/cli/help.ts';
import { loadConfig } from '../../src/config/load.ts';
import { environmentKeys } from '../../src/config/schema.ts';
import { serviceVersion } from '../../src/platform/version.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { runProgram } from '../support/run-program.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const secret = 'hunter2';
/** With a data folder of its own. */
const run = (args: string[], environment: Record<string, string> = {}) =>
  runProgram(args, { DATA_DIR: join(folder.path, 'data'), ...environment });

const hint = 'Try: persistence-service --help';

describe('arguments', () => {
  const cases: [args: string[], invocation: Invocation][] = [
    [[], { run: 'serve', flags: {} }],
    [['serve'], { run: 'serve', flags: {} }],
    [['migrate'], { run: 'migrate', flags: {} }],
    [['--help'], { run: 'help' }],
    [['serve', '-h'], { run: 'help' }],
    [['--version'], { run: 'version' }],
    [['-v'], { run: 'version' }],
    [
      ['--config', '/etc/p.yaml', 'serve', '--port=80', '--host', '::'],
      { run: 'serve', flags: { config: '/etc/p.yaml', 'service.port': '80', 'service.host': '::' } },
    ],
    [['journal', 'inspect'], { run: 'journal', action: 'inspect', switches: [], flags: {} }],
    [
      ['journal', 'inspect', '--json', '--quarantine', '--frames', '--data-dir', 'd'],
      {
        run: 'journal',
        action: 'inspect',
        switches: ['quarantine', 'frames', 'json'],
        flags: { 'service.data_dir': 'd' },
      },
    ],
    [
      ['journal', '--dry-run', 'repair'],
      { run: 'journal', action: 'repair', switches: ['dry-run'], flags: {} },
    ],
    [
      ['migrate', '--database-url', 'sqlite:x', '--data-dir', 'd', '--log-level', 'warn'],
      { run: 'migrate', flags: { 'database.url': 'sqlite:x', 'service.data_dir': 'd', 'log.level': 'warn' } },
    ],
  ];
  for (const [args, invocation] of cases) {
    test(`"${args.join(' ')}" means ${JSON.stringify(invocation)}`, () => {
      expect(parseCommandLine(args)).toEqual(invocation);
    });
  }

  const mistakes: [args: string[], named: RegExp][] = [
    [['deploy'], /"deploy"/],
    [['serve', 'migrate'], /migrate/],
    [['journal'], /inspect, verify, repair/],
    [['journal', 'mend'], /inspect, verify, repair/],
    [['journal', 'verify', 'repair'], /inspect, verify, repair/],
    [['serve', '--json'], /--json.*"serve"/],
    [['journal', 'verify', '--dry-run'], /--dry-run.*"journal verify"/],
    [['journal', 'repair', '--json'], /--json.*"journal repair"/],
    [['--prot', '80'], /'--prot'/],
    [['-p', '80'], /'-p'/],
    [['--port'], /--port/],
    [['--port', '--host', 'x'], /--port/],
  ];
  for (const [args, named] of mistakes) {
    test(`"${args.join(' ')}" is a mistake that is named`, () => {
      const invocation = parseCommandLine(args);
      expect(invocation).toEqual({ run: 'usage-error', message: expect.stringMatching(named) });
    });
  }

  test('a mistake is named without what stands behind it, which may be a password', () => {
    const url = `mysql://u:${secret}@h/d`;
    for (const args of [
      [url],
      ['serve', url],
      ['migrate', url],
      ['journal', url],
      ['journal', 'verify', url],
      [`--database-ur=${url}`],
      ['--database-ur', url],
      ['-d', url],
      [`--version=${url}`],
    ]) {
      const invocation = parseCommandLine(args);
      expect(invocation.run).toBe('usage-error');
      expect(JSON.stringify(invocation)).not.toContain(secret);
    }
  });
});

describe('the help text', () => {
  const { service, log } = loadConfig({ flags: {}, environment: {} });
  const settings: Record<string, string> = {
    host: service.host,
    port: String(service.port),
    'data-dir': service.data_dir,
    'log-level': log.level,
  };
  const options = [...helpText.matchAll(/^ {2}--([a-z-]+) [A-Z]+ +(.*)$/gm)].map(
    ([, flag = '', text = '']) => ({ flag, text }),
  );

  test('lists options that are understood, with the default and the environment variable of each', () => {
    expect(options.map(({ flag }) => flag).toSorted()).toEqual(
      ['config', 'database-url', ...Object.keys(settings)].toSorted(),
    );
    for (const { flag, text } of options) {
      const invocation = parseCommandLine([`--${flag}`, 'x']);
      if (invocation.run !== 'serve') throw new Error(`--${flag} is not understood: ${invocation.run}`);
      const [key = ''] = Object.keys(invocation.flags);
      const names = environmentKeys().find((each) => each.key === key)?.names ?? ['CONFIG_FILE'];
      expect(names).toContain(/also ([A-Z_]+)$/.exec(text)?.[1] ?? text);
      const shown = settings[flag];
      if (shown !== undefined) expect(text).toContain(`(${shown})`);
    }
  });
});

describe('the program', () => {
  test('--help and --version answer on standard output and end with 0', async () => {
    const [help, version] = await Promise.all([run(['migrate', '--help']), run(['--version'])]);
    expect(help).toEqual({ code: 0, out: helpText, errors: '' });
    expect(version).toEqual({ code: 0, out: `${serviceVersion}\n`, errors: '' });
  });

  test('an unknown command or option is an error of usage: it says so, points to the help, and ends with 2', async () => {
    const [command, option] = await Promise.all([run(['deploy']), run(['--prot', '80'])]);
    for (const { code, out, errors } of [command, option]) {
      expect({ code, out }).toEqual({ code: 2, out: '' });
      expect(errors).toEndWith(`${hint}\n`);
    }
    expect(command.errors).toContain('deploy');
    expect(option.errors).toContain('--prot');
  });

  const unusable: [what: string, yaml: string, environment: Record<string, string>, named: RegExp][] = [
    ['an unknown key', 'buffer:\n  flush_intervall: 5\n', {}, /FILE:2:\d+: buffer\.flush_intervall/],
    ['a wrong type', 'buffer:\n  flush_interval: soon\n', {}, /FILE:2:\d+: buffer\.flush_interval/],
    ['a mistake of YAML', 'service:\n  host: "x\n', {}, /FILE:\d+:\d+: /],
    ['an alias of nothing', `database:\n  password: *${secret}\n`, {}, /FILE:2:\d+: /],
    ['a key that is a list', `database:\n  password: {{${secret}}}\n`, {}, /FILE:2:\d+: /],
    ['a variable out of range', '', { PORT: '70000' }, /environment PORT: service\.port/],
    ['another database', '', { DATABASE_URL: `postgres://u:${secret}@h/d` }, /database\.url/],
    ['a broken database URL', '', { DATABASE_URL: `mysql://u:${secret}%zz@h/d` }, /database\.url/],
    [
      'a kind of record that is kept nowhere',
      'storage:\n  backends:\n    main: { type: sqlite, enabled: true, config: {}, data_types: [] }\n',
      {},
      /translation_sessions/,
    ],
  ];
  for (const [what, yaml, environment, named] of unusable) {
    test(`serve and migrate end with 2 and say where the configuration is wrong: ${what}`, async () => {
      const file = join(folder.path, 'config.yaml');
      writeFileSync(file, yaml);
      const ends = ['serve', 'migrate'].map((command) => run([command, '--config', file], environment));
      for (const { code, out, errors } of await Promise.all(ends)) {
        const message = errors.replaceAll(file, 'FILE');
        expect({ code, out, message }).toEqual({
          code: 2,
          out: '',
          message: expect.stringMatching(/^The configuration cannot be used:\n/),
        });
        expect(message).toMatch(named);
        expect(message).not.toContain(secret);
        expect(message).not.toMatch(/\n +at /);
      }
    });
  }

  test('migrate creates the SQLite file and its folder, and a second time changes nothing', async () => {
    const path = join(folder.path, 'new/folder/records.sqlite');
    for (let time = 1; time <= 2; time += 1) {
      const { code, out, errors } = await run(['migrate', '--database-url', `sqlite:${path}`]);
      expect({ code, errors }).toEqual({ code: 0, errors: '' });
      expect(out).toContain('up to date');
      expect(existsSync(path)).toBe(true);
    }
    const backend = new SqliteBackend(path);
    await backend.healthCheck();
    await backend.close();
  });

  test('migrate ends with 1 where storage cannot be reached, and does not show the password', async () => {
    const url = `mysql://u:${secret}@127.0.0.1:1/d`;
    const { code, out, errors } = await run(['migrate', '--database-url', url]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(errors).toContain('cannot migrate');
    expect(errors).not.toContain(secret);
  });

  test('serve starts without its database, says so, and its log never shows the password', async () => {
    await using service = await startServiceProcess({
      dataDir: join(folder.path, 'without-database'),
      databaseUrl: `mysql://u:${secret}@127.0.0.1:1/d`,
      environment: { LOG_LEVEL: 'debug' },
    });
    expect((await fetch(`${service.url}/health`)).status).toBe(503);
    expect(await service.kill('SIGTERM')).toBe(0);
    expect(service.log()).toContain('Storage cannot be used yet');
    expect(service.log()).not.toContain(secret);
  });
});
