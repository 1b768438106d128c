import { parseArgs } from 'node:util';
import { commandLineFlags } from '../config/schema.ts';

const commands = ['serve', 'migrate'] as const;
type Command = (typeof commands)[number];

const journalActions = ['inspect', 'verify', 'repair'] as const;
type JournalAction = (typeof journalActions)[number];

/** Options without a value, and the actions on a journal that take them; no other command does. */
const journalSwitches = {
  quarantine: journalActions,
  frames: ['inspect'],
  json: ['inspect', 'verify'],
  'dry-run': ['repair'],
} as const satisfies Record<string, readonly JournalAction[]>;
export type JournalSwitch = keyof typeof journalSwitches;
const switchNames = Object.keys(journalSwitches) as JournalSwitch[];

/** What the command line asks for. */
export type Invocation =
  | { run: 'help' | 'version' }
  | { run: Command; flags: Record<string, string> }
  | { run: 'journal'; action: JournalAction; switches: JournalSwitch[]; flags: Record<string, string> }
  | { run: 'usage-error'; message: string };

/** Reads the arguments behind the program's name. */
export function parseCommandLine(args: readonly string[]): Invocation {
  const options = {
    ...optionsOf(['config', ...Object.keys(commandLineFlags)], 'string'),
    ...optionsOf(Object.keys(journalSwitches), 'boolean'),
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    if (values.help === true) return { run: 'help' };
    if (values.version === true) return { run: 'version' };
    const switches = switchNames.filter((name) => name in values);
    const flags: Record<string, string> = {};
    for (const [flag, value] of Object.entries(values)) {
      if (typeof value === 'string') flags[commandLineFlags[flag] ?? flag] = value;
    }
    return invocationOf(positionals, switches, flags);
  } catch (error) {
    return { run: 'usage-error', message: error instanceof Error ? error.message : String(error) };
  }
}

function invocationOf(
  positionals: readonly string[],
  switches: JournalSwitch[],
  flags: Record<string, string>,
): Invocation {
  const [name = 'serve', ...rest] = positionals;
  if (name === 'journal') return journalInvocation(rest, switches, flags);
  const command = commands.find((candidate) => candidate === name);
  if (command === undefined || rest.length > 0) {
    return { run: 'usage-error', message: `Unknown command${named(positionals)}` };
  }
  return misplaced(switches[0], name) ?? { run: command, flags };
}

function journalInvocation(
  [name, ...rest]: readonly string[],
  switches: JournalSwitch[],
  flags: Record<string, string>,
): Invocation {
  const action = journalActions.find((candidate) => candidate === name);
  if (action === undefined || rest.length > 0) {
    return { run: 'usage-error', message: `"journal" takes one of ${journalActions.join(', ')}` };
  }
  const other = switches.find((option) => !journalSwitches[option].some((taker) => taker === action));
  return misplaced(other, `journal ${action}`) ?? { run: 'journal', action, switches, flags };
}

function misplaced(option: JournalSwitch | undefined, command: string): Invocation | undefined {
  if (option === undefined) return undefined;
  return { run: 'usage-error', message: `--${option} is no option of "${command}"` };
}

function optionsOf<Type extends 'string' | 'boolean'>(
  names: readonly string[],
  type: Type,
): Record<string, { type: Type }> {
  return Object.fromEntries(names.map((name) => [name, { type }]));
}

/** The command as it was typed, unless it is more than a word: then it may be a URL with a password. */
function named(positionals: readonly string[]): string {
  const text = positionals.join(' ');
  return /^[\w -]+$/.test(text) ? ` "${text}"` : '';
}
