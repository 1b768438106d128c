import { FormatRegistry, type Static, type TSchema, Type } from '@sinclair/typebox';
import { logFormats, logLevels } from '../platform/logger.ts';
import { isSchedule } from '../platform/schedule.ts';

FormatRegistry.Set('schedule', (pattern) => pattern === 'off' || isSchedule(pattern));

/** A hundred years. */
export const retentionDaysMax = 36_500;

const words = <const Words extends readonly string[]>(
  values: Words,
  options: { default: Words[number]; description: string },
) => Type.Unsafe<Words[number]>({ ...Type.Union(values.map((value) => Type.Literal(value))), ...options });

const section = <Properties extends Record<string, TSchema>>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false, default: {} });

const retentionDays = (days: number, description: string) =>
  Type.Integer({ default: days, minimum: 0, maximum: retentionDaysMax, description });

/** Where one backend of `storage.backends` connects to. */
const backendConnection = Type.Object(
  {
    url: Type.Optional(Type.String()),
    host: Type.Optional(Type.String()),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    user: Type.Optional(Type.String()),
    password: Type.Optional(Type.String()),
    database: Type.Optional(Type.String()),
    pool_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    path: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

/**
 * Every setting, with its default and what it does. The file has these sections and keys; in the environment a
 * key is SECTION_KEY; the table in the README lists them all, and a test compares the two.
 */
export const configSchema = Type.Object(
  {
    service: section({
      host: Type.String({
        default: '127.0.0.1',
        description: 'Address to listen on. Access control is not built in: keep it internal.',
      }),
      port: Type.Integer({
        default: 8001,
        minimum: 0,
        maximum: 65_535,
        description: 'Port to listen on; 0 takes a free one.',
      }),
      data_dir: Type.String({
        default: './data',
        minLength: 1,
        description: 'Folder of the journal, the quarantine and the embedded database.',
      }),
      body_bytes_max: Type.Integer({
        default: 16_777_216,
        minimum: 1024,
        maximum: 1_073_741_824,
        description: 'Largest request body, in bytes; at most three quarters of the journal.',
      }),
      concurrent_requests_max: Type.Integer({
        default: 512,
        minimum: 1,
        maximum: 100_000,
        description:
          'Requests answered at a time; more get 503, but for those to health, metrics and system.',
      }),
      concurrent_bytes_max: Type.Integer({
        default: 268_435_456,
        minimum: 1024,
        description: 'Bytes of their bodies together; more get 503. A request alone is always taken.',
      }),
      shutdown_timeout_seconds: Type.Number({
        default: 30,
        minimum: 0,
        maximum: 3600,
        description: 'How long a shutdown may flush; what is left stays journaled.',
      }),
    }),
    buffer: section({
      max_buffer_size: Type.Integer({
        default: 1000,
        minimum: 1,
        maximum: 1_000_000,
        description: 'So many buffered records start a flush.',
      }),
      flush_interval: Type.Number({
        default: 30,
        exclusiveMinimum: 0,
        maximum: 86_400,
        description: 'Seconds between flushes, at most.',
      }),
      flush_timeout_seconds: Type.Number({
        default: 9,
        exclusiveMinimum: 0,
        maximum: 240,
        description: 'How long POST /flush waits for storage; clients give up after 10.',
      }),
      bytes_max: Type.Integer({
        default: 33_554_432,
        minimum: 65_536,
        maximum: 1_073_741_824,
        description:
          'So many bytes of accepted records are kept in memory, as JSON; a larger backlog stays in the journal and is read back from there.',
      }),
      unknown_session: words(['reject', 'hold'], {
        default: 'reject',
        description:
          'Tasks of a session that was never accepted: reject the batch with 422, or hold the tasks until the session arrives.',
      }),
      hold_seconds_max: Type.Number({
        default: 300,
        exclusiveMinimum: 0,
        maximum: 86_400,
        description: 'How long a held task waits before it goes to the quarantine.',
      }),
    }),
    journal: section({
      sync: words(['always', 'interval', 'off'], {
        default: 'always',
        description:
          'When an accepted batch is on disk: always before the answer; or at an interval, or when the system likes, which a power loss can undo.',
      }),
      sync_interval_ms: Type.Integer({
        default: 100,
        minimum: 1,
        maximum: 60_000,
        description: 'Milliseconds between syncs with sync: interval.',
      }),
      segment_bytes_max: Type.Integer({
        default: 67_108_864,
        minimum: 4096,
        maximum: 1_073_741_824,
        description: 'Size at which a new journal file is begun.',
      }),
      bytes_max: Type.Integer({
        default: 1_073_741_824,
        minimum: 65_536,
        description: 'Size of the whole journal at which new batches get 503 until storage catches up.',
      }),
    }),
    quarantine: section({
      records_max: Type.Integer({
        default: 10_000,
        minimum: 1,
        maximum: 1_000_000,
        description:
          'Records in the quarantine at which flushing pauses until some are retried or discarded; none is dropped.',
      }),
    }),
    database: section({
      url: Type.Optional(
        Type.String({
          description:
            'mysql://user:password@host:3306/database, or sqlite:path. Default: SQLite in the data folder.',
        }),
      ),
      host: Type.Optional(Type.String({ description: 'MySQL host; selects MySQL when there is no url.' })),
      port: Type.Integer({ default: 3306, minimum: 1, maximum: 65_535, description: 'MySQL port.' }),
      user: Type.String({ default: 'root', description: 'MySQL user.' }),
      password: Type.String({ default: '', description: 'MySQL password; also used when the url has none.' }),
      database: Type.String({ default: 'ai_terminal', description: 'MySQL database.' }),
      pool_size: Type.Integer({
        default: 10,
        minimum: 1,
        maximum: 1000,
        description: 'MySQL connections, at most.',
      }),
      statement_timeout_seconds: Type.Number({
        default: 30,
        exclusiveMinimum: 0,
        maximum: 3600,
        description: 'How long MySQL may take for one statement before its connection is given up.',
      }),
    }),
    storage: section({
      backends: Type.Optional(
        Type.Record(
          Type.String(),
          Type.Object(
            {
              type: Type.Union([Type.Literal('mysql'), Type.Literal('sqlite')]),
              enabled: Type.Optional(Type.Boolean()),
              config: Type.Optional(backendConnection),
              data_types: Type.Array(Type.String()),
            },
            { additionalProperties: false },
          ),
          {
            description:
              'Several backends by name, each with type, enabled, config and data_types; replaces the database section. File only.',
          },
        ),
      ),
    }),
    retention: section({
      delete_mode: words(['hard', 'soft'], {
        default: 'hard',
        description:
          'What a deletion does unless the call says otherwise: hard removes the rows; soft keeps a copy until it is purged.',
      }),
      completed_days: retentionDays(
        90,
        'Days after its last write at which a completed session is cleaned up.',
      ),
      failed_days: retentionDays(30, 'Days after its last write at which a failed session is cleaned up.'),
      deleted_days: retentionDays(
        30,
        'Days after which what is known of deleted records is purged, soft-deleted rows included.',
      ),
      schedule: Type.String({
        default: '30 3 * * *',
        format: 'schedule',
        description: 'When the daily clean-up runs: minute, hour, day, month, weekday, in UTC; or off.',
      }),
    }),
    health: section({
      backlog_seconds_max: Type.Number({
        default: 300,
        exclusiveMinimum: 0,
        description: 'Unhealthy when the oldest record that storage lacks is older than this.',
      }),
    }),
    log: section({
      level: words(logLevels, { default: 'info', description: 'Lowest level that is logged.' }),
      format: words(logFormats, {
        default: 'auto',
        description: 'json: one object a line; text: for people; auto: text on a terminal, else json.',
      }),
    }),
  },
  { additionalProperties: false, default: {} },
);

export type Config = Static<typeof configSchema>;

/** Environment names that differ from SECTION_KEY, by key. */
export const environmentAliases: Readonly<Record<string, string>> = {
  'service.host': 'HOST',
  'service.port': 'PORT',
  'service.data_dir': 'DATA_DIR',
};

/** Every key that the environment can set, as `section.key` with its names. */
export function environmentKeys(): { key: string; names: string[] }[] {
  return Object.entries(configSchema.properties).flatMap(([section, { properties }]) =>
    Object.keys(properties)
      .map((key) => `${section}.${key}`)
      .filter((key) => key !== 'storage.backends')
      .map((key) => ({
        key,
        names: [environmentAliases[key], key.replace('.', '_').toUpperCase()].filter(
          (name) => name !== undefined,
        ),
      })),
  );
}

/** Options of the command line, and the key that each sets. */
export const commandLineFlags: Readonly<Record<string, string>> = {
  host: 'service.host',
  port: 'service.port',
  'data-dir': 'service.data_dir',
  'database-url': 'database.url',
  'log-level': 'log.level',
};
