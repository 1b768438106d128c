import {
  configureSync,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogLevel as LibraryLevel,
} from '@logtape/logtape';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ['auto', 'json', 'text'] as const;
export type LogFormat = (typeof logFormats)[number];

type Properties = Record<string, unknown>;

/** A message says what happened; the properties say to what. */
export interface Logger {
  debug(message: string, properties?: Properties): void;
  info(message: string, properties?: Properties): void;
  warn(message: string, properties?: Properties): void;
  error(message: string, properties?: Properties): void;
}

/**
 * Sends log lines to standard output: JSON, one object a line, or text for a person (`auto`: text on a terminal).
 * Meant for the process's one entry point; parts get their logger passed in.
 */
export function createLogger(level: LogLevel, format: LogFormat): Logger {
  const asText = format === 'text' || (format === 'auto' && process.stdout.isTTY === true);
  const formatLine = asText
    ? getTextFormatter({
        format: ({ timestamp, level: name, message, record }) =>
          `${timestamp} ${name} ${message}${keyValues(record.properties)}`,
      })
    : getJsonLinesFormatter({ properties: 'flatten' });
  // A log that nobody reads any more (a closed pipe) must not trouble what it reports on.
  process.stdout.on('error', () => {});
  const lowestLevel: LibraryLevel = level === 'warn' ? 'warning' : level;
  configureSync({
    reset: true,
    sinks: {
      stdout: (record) => {
        process.stdout.write(formatLine(record));
      },
    },
    loggers: [
      { category: 'persistence', lowestLevel, sinks: ['stdout'] },
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: ['stdout'] },
    ],
  });
  const logger = getLogger('persistence');
  return {
    debug: (message, properties = {}) => logger.debug(literal(message), properties),
    info: (message, properties = {}) => logger.info(literal(message), properties),
    warn: (message, properties = {}) => logger.warn(literal(message), properties),
    error: (message, properties = {}) => logger.error(literal(message), properties),
  };
}

/** A logger that says nothing. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Our messages hold no placeholders: what looks like one is text. */
function literal(message: string): string {
  return message.replaceAll('{', '{{').replaceAll('}', '}}');
}

function keyValues(properties: Properties): string {
  return Object.entries(properties)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('');
}
