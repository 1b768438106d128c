import { readFileSync } from 'node:fs';
import { Kind, type TSchema } from '@sinclair/typebox';
import { Value, type ValueError } from '@sinclair/typebox/value';
import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import { describeError } from '../platform/errors.ts';
import { type Config, commandLineFlags, configSchema, environmentKeys } from './schema.ts';

/** A configuration that cannot be used; every line says what is wrong, and where. None repeats a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

export interface ConfigSources {
  /** `section.key` → text, from the command line; `config` names the file. */
  flags: Readonly<Record<string, string>>;
  environment: Readonly<Record<string, string | undefined>>;
}

/** Says where a key comes from, for an error message. */
type PlaceOf = (key: string) => string;
type Tree = Record<string, unknown>;

/**
 * Puts the configuration together: a flag wins over the environment, that over the file (CONFIG_FILE), that over
 * the default.
 * @throws ConfigError when anything in it is unknown or out of range.
 */
export function loadConfig({ flags, environment }: ConfigSources): Config {
  const path = flags.config ?? environment.CONFIG_FILE ?? '';
  const file = path === '' ? { values: {}, placeOf: () => 'configuration' } : readConfigFile(path);
  const given = givenAsText(flags, environment);
  for (const [key, { text }] of given) setKey(file.values, key, text);

  const config: unknown = Value.Default(configSchema, typed(configSchema, file.values));
  const placeOf: PlaceOf = (key) => given.get(key)?.origin ?? file.placeOf(key);
  if (Value.Check(configSchema, config)) return consistent(config, placeOf);
  const problems = new Map<string, string>();
  for (const error of Value.Errors(configSchema, config)) {
    const key = error.path.slice(1).replaceAll('/', '.');
    if (!problems.has(key)) problems.set(key, `${placeOf(key)}: ${key} ${messageOf(error)}`);
  }
  throw new ConfigError([...problems.values()]);
}

/** @throws ConfigError when two settings do not go together. */
function consistent(config: Config, placeOf: PlaceOf): Config {
  const bodyBytesLimit = Math.floor((config.journal.bytes_max * 3) / 4);
  if (config.service.body_bytes_max <= bodyBytesLimit) return config;
  const places = [...new Set(['service.body_bytes_max', 'journal.bytes_max'].map(placeOf))].join(', ');
  throw new ConfigError([
    `${places}: service.body_bytes_max is ${config.service.body_bytes_max}, and may be ${bodyBytesLimit}: three quarters of journal.bytes_max`,
  ]);
}

/** The keys that the command line and the environment give, with where each comes from. */
function givenAsText(flags: ConfigSources['flags'], environment: ConfigSources['environment']) {
  const flagOf = new Map(Object.entries(commandLineFlags).map(([flag, key]) => [key, flag]));
  const given = new Map<string, { text: string; origin: string }>();
  for (const { key, names } of environmentKeys()) {
    const name = names.find((candidate) => (environment[candidate] ?? '') !== '') ?? '';
    const variable = environment[name];
    if (variable !== undefined) given.set(key, { text: variable, origin: `environment ${name}` });
    const flag = flags[key];
    if (flag !== undefined) given.set(key, { text: flag, origin: `command line --${flagOf.get(key)}` });
  }
  return given;
}

/** Every value comes as text, from the file too; what is no number where one is due stays, for the check to refuse. */
function typed(schema: TSchema | undefined, value: unknown): unknown {
  if (schema === undefined) return value;
  if (typeof value === 'string') return typedText(schema, value);
  if (Array.isArray(value)) return value.map((inner) => typed(schema.items, inner));
  if (typeof value !== 'object' || value === null) return value;
  const schemas: Readonly<Record<string, TSchema>> = schema.properties ?? {};
  const [anyKey] = Object.values<TSchema>(schema.patternProperties ?? {});
  const given = Object.entries(value).filter(([, inner]) => inner !== '');
  return Object.fromEntries(given.map(([key, inner]) => [key, typed(schemas[key] ?? anyKey, inner)]));
}

function typedText(schema: TSchema, text: string): unknown {
  const kind = schema[Kind];
  if ((kind === 'Integer' || kind === 'Number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return kind === 'Boolean' && (text === 'true' || text === 'false') ? text === 'true' : text;
}

function setKey(values: Tree, key: string, value: unknown): void {
  const [section = '', name = ''] = key.split('.');
  if ((values[section] ?? '') === '') values[section] = {};
  // Anything but a section stays as it is, for the check to refuse.
  if (typeof values[section] === 'object') (values[section] as Tree)[name] = value;
}

function readConfigFile(path: string): { values: Tree; placeOf: PlaceOf } {
  const lines = new LineCounter();
  const placeAt = (offset: number | undefined): string => {
    if (offset === undefined) return path;
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  let document: Document.Parsed;
  try {
    document = parseDocument(readFileSync(path, 'utf8'), {
      lineCounter: lines,
      prettyErrors: false,
      schema: 'failsafe',
    });
  } catch (error) {
    throw new ConfigError([
      `${path}: cannot be read: ${describeError(error)} (CONFIG_FILE or --config names it)`,
    ]);
  }
  const mistakes = [...document.errors, ...document.warnings];
  if (mistakes.length > 0) {
    throw new ConfigError(
      mistakes.map(({ pos, message }) => `${placeAt(pos[0])}: ${withoutSource(message)}`),
    );
  }
  visit(document, {
    Alias(_, { range }) {
      throw new ConfigError([`${placeAt(range?.[0])}: a value that starts with * needs quotes`]);
    },
  });
  return {
    values: sectionsOf(path, document.toJS()),
    placeOf: (key) => placeAt(offsetOf(document, key)),
  };
}

/** The sections of a file, without the backends that are disabled: those may be of a kind that is yet to come. */
function sectionsOf(path: string, values: unknown): Tree {
  if (values === null || values === undefined || values === '') return {};
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new ConfigError([`${path}: the file must hold sections such as "service:" and "database:"`]);
  }
  const backends = (values as { storage?: { backends?: Tree } }).storage?.backends ?? {};
  for (const [name, backend] of Object.entries(backends)) {
    if ((backend as { enabled?: unknown }).enabled === 'false') delete backends[name];
  }
  return values as Tree;
}

/** Where a key of the file stands, or the nearest section around it. */
function offsetOf(document: Document.Parsed, key: string): number | undefined {
  for (let path = key.split('.'); path.length > 0; path = path.slice(0, -1)) {
    const node = document.getIn(path, true) as { range?: readonly number[] } | undefined;
    if (node?.range !== undefined) return node.range[0];
  }
  return undefined;
}

/** The parser's message without the text of the file that some of them quote: it may be a password. */
function withoutSource(message: string): string {
  return message.split(/[:;\\]/)[0] ?? message;
}

function messageOf(error: ValueError): string {
  if (error.message === 'Unexpected property') return 'is no setting of this service';
  if (error.schema.format === 'schedule') {
    return 'must be a cron pattern of five parts that comes some day, such as 30 3 * * *, or off';
  }
  const allowed: unknown = error.schema.anyOf;
  if (Array.isArray(allowed))
    return `must be one of ${allowed.map(({ const: word }: { const?: unknown }) => word).join(', ')}`;
  return `is wrong: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
}
