import { parseArgs } from 'node:util';

const commands = ['serve', 'migrate'] as const;
type Command = (typeof commands)[number];

/** What the command line asks for. */
export type Invocation =
  | { run: 'help' | 'version' }
  | { run: Command; flags: Record<string, string> }
  | { run: 'usage-error'; message: string };

/** Options that set a key of the configuration. */
const settingFlags: Readonly<Record<string, string>> = {
  host: 'service.host',
  port: 'service.port',
  'data-dir': 'service.data_dir',
  'database-url': 'database.url',
  'log-level': 'log.level',
};

/** Reads the arguments behind the program's name. */
export function parseCommandLine(args: readonly string[]): Invocation {
  const texts = Object.fromEntries(
    ['config', ...Object.keys(settingFlags)].map((name) => [name, { type: 'string' as const }]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...texts, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    });
    if (values.help === true) return { run: 'help' };
    if (values.version === true) return { run: 'version' };
    const [name = 'serve', ...rest] = positionals;
    const command = commands.find((candidate) => candidate === name);
    if (command === undefined || rest.length > 0) {
      return { run: 'usage-error', message: `Unknown command "${positionals.join(' ')}"` };
    }
    const flags: Record<string, string> = {};
    for (const [flag, value] of Object.entries(values)) {
      if (typeof value === 'string') flags[settingFlags[flag] ?? flag] = value;
    }
    return { run: command, flags };
  } catch (error) {
    return { run: 'usage-error', message: error instanceof Error ? error.message : String(error) };
  }
}
