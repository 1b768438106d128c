import { parseArgs } from 'node:util';
import { commandLineFlags } from '../config/schema.ts';

const commands = ['serve', 'migrate'] as const;
type Command = (typeof commands)[number];

/** What the command line asks for. */
export type Invocation =
  | { run: 'help' | 'version' }
  | { run: Command; flags: Record<string, string> }
  | { run: 'usage-error'; message: string };

/** Reads the arguments behind the program's name. */
export function parseCommandLine(args: readonly string[]): Invocation {
  const texts = Object.fromEntries(
    ['config', ...Object.keys(commandLineFlags)].map((name) => [name, { type: 'string' as const }]),
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
      return { run: 'usage-error', message: `Unknown command${named(positionals)}` };
    }
    const flags: Record<string, string> = {};
    for (const [flag, value] of Object.entries(values)) {
      if (typeof value === 'string') flags[commandLineFlags[flag] ?? flag] = value;
    }
    return { run: command, flags };
  } catch (error) {
    return { run: 'usage-error', message: error instanceof Error ? error.message : String(error) };
  }
}

/** The command as it was typed, unless it is more than a word: then it may be a URL with a password. */
function named(positionals: readonly string[]): string {
  const text = positionals.join(' ');
  return /^[\w -]+$/.test(text) ? ` "${text}"` : '';
}
