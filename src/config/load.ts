import { existsSync, readFileSync } from 'node:fs';
import { Value, type ValueError } from '@sinclair/typebox/value';
import { LineCounter, parseDocument } from 'yaml';
import { type Config, configSchema, environmentKeys } from './schema.ts';

/** A configuration that cannot be used; every line says what is wrong, and where. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** `section.key` → text, from the command line. */
  flags: Readonly<Record<string, string>>;
  environment: Readonly<Record<string, string | undefined>>;
}

type Tree = Record<string, unknown>;

/**
 * Puts the configuration together: a flag wins over the environment, that over the file (CONFIG_FILE), that over
 * the default.
 * @throws ConfigError when anything in it is unknown or out of range.
 */
export function loadConfig({ flags, environment }: ConfigSources): Config {
  const configFile = flags.config ?? environment.CONFIG_FILE;
  const file = configFile === undefined || configFile === '' ? emptyFile : readConfigFile(configFile);
  const values = structuredClone(file.values);
  const origins = new Map<string, string>();
  for (const { key, names } of environmentKeys()) {
    const name = names.find((candidate) => (environment[candidate] ?? '') !== '');
    if (name !== undefined) set(values, key, environment[name], `environment ${name}`);
    const flag = flags[key];
    if (flag !== undefined)
      set(values, key, flag, `command line --${key.split('.').pop()?.replaceAll('_', '-')}`);
  }

  const config: unknown = Value.Default(configSchema, Value.Convert(configSchema, values));
  if (Value.Check(configSchema, config)) return config;
  const problems = [...Value.Errors(configSchema, config)].map((error) => {
    const key = error.path.slice(1).replaceAll('/', '.');
    return `${origins.get(key) ?? file.placeOf(key)}: ${key} ${messageOf(error)}`;
  });
  throw new ConfigError([...new Set(problems)]);

  function set(tree: Tree, key: string, value: unknown, origin: string): void {
    const [section = '', name = ''] = key.split('.');
    const existing = tree[section];
    const target = typeof existing === 'object' && existing !== null ? (existing as Tree) : {};
    tree[section] = target;
    target[name] = value;
    origins.set(key, origin);
  }
}

interface ConfigFile {
  values: Tree;
  /** Where a key is, for an error message. */
  placeOf: (key: string) => string;
}

const emptyFile: ConfigFile = { values: {}, placeOf: () => 'configuration' };

function readConfigFile(path: string): ConfigFile {
  if (!existsSync(path))
    throw new ConfigError([`${path}: there is no such file (CONFIG_FILE or --config names it)`]);
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(path, 'utf8'), { lineCounter: lines });
  if (document.errors.length > 0) {
    throw new ConfigError(document.errors.map((error) => `${path}: ${error.message.split('\n')[0]}`));
  }
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new ConfigError([`${path}: the file must hold sections such as "service:" and "database:"`]);
  }
  const placeOf = (key: string): string => {
    const node: unknown = document.getIn(key.split('.'), true);
    const range = (node as { range?: readonly number[] } | undefined)?.range;
    const position = range?.[0] === undefined ? undefined : lines.linePos(range[0]);
    return position === undefined ? path : `${path}:${position.line}:${position.col}`;
  };
  return { values: values as Tree, placeOf };
}

function messageOf(error: ValueError): string {
  if (error.message === 'Unexpected property') return 'is no setting of this service';
  const allowed: unknown = error.schema.anyOf;
  if (Array.isArray(allowed))
    return `must be one of ${allowed.map((each: { const?: unknown }) => each.const).join(', ')}`;
  return `is wrong: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
}
