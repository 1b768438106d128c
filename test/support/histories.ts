import fc from 'fast-check';
import { sessionStatuses, taskStatuses } from '../../src/modules/translation/records.ts';
import { textBytesMax, wholeMax } from '../../src/storage/field.ts';

export type Fields = Record<string, unknown>;

/** One request that may change something. */
export type Call =
  | { kind: 'sessions'; rows: Fields[] }
  | { kind: 'tasks'; rows: Fields[] }
  | { kind: 'status'; session_id: string; status: string }
  | { kind: 'delete'; session_id: string; mode: 'soft' | 'hard' | undefined }
  | { kind: 'cleanup'; request: Fields; method: 'POST' | 'DELETE' }
  | { kind: 'refused'; session_id: string; what: 'sessions' | 'tasks' | 'status'; rows: Fields[] }
  | { kind: 'flush' };

/** How the service is run from here on. */
export interface Settings {
  /** So few that flushes begin in the middle of everything, or so many that they begin only when asked for. */
  bufferedMax: 3 | 100_000;
  segmentBytesMax: 4096 | 67_108_864;
}

/** One step of a history. */
export type Step =
  | Call
  | { kind: 'look' }
  /** Another instance on the same database accepts every field of some records, and writes them later. */
  | { kind: 'elsewhere'; what: 'sessions' | 'tasks'; rows: Fields[] }
  | { kind: 'flush elsewhere' }
  | { kind: 'together'; calls: Call[] }
  | { kind: 'restart'; settings: Settings }
  | { kind: 'kill'; during: Call[]; settings: Settings };

/** Ids that are different only to whoever compares bytes; few, so that everything collides. */
export const sessionIds = ['s', 'S', 's ', 'š/%2F?#', '🐉'];
export const taskIds = Array.from(
  { length: 15 },
  (_, index) => `${index % 3}${['t', 'T', 'é', 'e\u0301', 't '][index % 5]}`,
);

const sessionId = fc.constantFrom(...sessionIds);
const whole = fc.oneof(fc.nat(9), fc.constantFrom(0, 1, wholeMax));
const nullable = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null, freq: 3 });

const nastyTexts = [
  '',
  ' ',
  'null',
  "'; DROP TABLE translation_tasks; -- \\",
  '{{name}} %s $1 \r\n\t\u0000\u0001\u007f',
  '👩‍👩‍👧‍👦🇯🇵𠮷',
  '\ufeff\ufffe\uffff\u2028 שלום',
];
const text = (charactersMax: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...nastyTexts) },
    { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: Math.min(charactersMax, 12) }) },
    { weight: 1, arbitrary: fc.constant('🐉'.repeat(charactersMax)) },
  );
const longText = fc.oneof(
  { weight: 20, arbitrary: text(50) },
  { weight: 1, arbitrary: fc.constant('é'.repeat(textBytesMax >> 1)) },
);
const document = fc.dictionary(fc.string({ unit: 'binary', maxLength: 6 }), fc.jsonValue({ maxDepth: 3 }), {
  maxKeys: 4,
});

/** No value lies half-way between two that are kept: there, rounding is a matter of taste. */
const confidence = fc.oneof(
  fc.constantFrom(0, 1, 0.12344, 0.12346, 0.99996, 1e-7, 5e-324),
  fc.double({ min: 0, max: 1, noNaN: true }).filter((value) => Math.abs(((value * 1e4) % 1) - 0.5) > 1e-6),
);

const time = fc
  .record({
    at: fc.date({ min: new Date('1000-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }),
    separator: fc.constantFrom('T', ' '),
    fraction: fc.constantFrom('', '.000', '.1', '.123', '.999999'),
    offset: fc.constantFrom('', 'Z', '+00:00', '-00:00', '+08:00', '-05:30', '+23:59', '-23:59'),
  })
  .map(({ at, separator, fraction, offset }) => {
    const [date, clock] = at.toISOString().slice(0, 19).split('T');
    return `${date}${separator}${clock}${fraction}${offset}`;
  });

/** What a client of another version may send along. */
const unknownFields = {
  created_at: fc.constant('2001-01-01T00:00:00Z'),
  updated_at: fc.constant(0),
  version: fc.constantFrom(0, Number.MAX_SAFE_INTEGER),
  progress: fc.constant(77),
  unknown: fc.constantFrom(null, { nested: [1] }, '🐉'),
};

const optionalSessionFields = {
  game_info: nullable(document),
  metadata: nullable(document),
  total_tasks: nullable(whole),
  completed_tasks: nullable(whole),
  failed_tasks: nullable(whole),
  processing_tasks: nullable(whole),
  ...unknownFields,
};
const sessionRow = (id: fc.Arbitrary<string>, fieldsOf = someOf): fc.Arbitrary<Fields> =>
  fieldsOf(
    {
      session_id: id,
      filename: text(255),
      file_path: text(512),
      status: fc.constantFrom(...sessionStatuses),
      llm_provider: text(50),
    },
    optionalSessionFields,
  );

const optionalTaskFields = {
  target_text: nullable(longText),
  context: nullable(longText),
  confidence: nullable(confidence),
  error_message: nullable(longText),
  retry_count: nullable(whole),
  start_time: nullable(time),
  end_time: nullable(time),
  duration_ms: nullable(whole),
  ...unknownFields,
};
/** A task of one session: mostly of three that are its own, so that few batches are refused. */
const taskRowOf = (session_id: string, fieldsOf = someOf): fc.Arbitrary<Fields> => {
  const own = taskIds.filter((_, index) => index % sessionIds.length === sessionIds.indexOf(session_id));
  return fieldsOf(
    {
      task_id: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(...own) },
        { weight: 1, arbitrary: fc.constantFrom(...taskIds) },
      ),
      session_id: fc.constant(session_id),
      batch_id: text(64),
      sheet_name: text(255),
      row_index: whole,
      column_name: text(255),
      source_text: longText,
      status: fc.constantFrom(...taskStatuses),
    },
    optionalTaskFields,
  );
};
/** Mostly of one session, so that one that is missing does not refuse them all. */
const taskRows = (id: fc.Arbitrary<string>) =>
  fc.oneof(
    { weight: 4, arbitrary: id.chain((id) => rowsOf(taskRowOf(id))) },
    { weight: 1, arbitrary: rowsOf(id.chain(taskRowOf)) },
    { weight: 1, arbitrary: id.chain(taskRowOf).chain(inTwoSessions) },
  );

const writeSessions = (id: fc.Arbitrary<string>) =>
  fc.record({ kind: fc.constant('sessions' as const), rows: rowsOf(sessionRow(id)) });
const writeTasks = (id: fc.Arbitrary<string>) =>
  fc.record({ kind: fc.constant('tasks' as const), rows: taskRows(id) });
const changeStatus = (id: fc.Arbitrary<string>) =>
  fc.record({
    kind: fc.constant('status' as const),
    session_id: id,
    status: fc.constantFrom(...sessionStatuses),
  });
const deletion = (id: fc.Arbitrary<string>) =>
  fc.record({
    kind: fc.constant('delete' as const),
    session_id: id,
    mode: fc.constantFrom('soft' as const, 'hard' as const, undefined),
  });
const elsewhere = fc.oneof(
  fc.record({
    kind: fc.constant('elsewhere' as const),
    what: fc.constant('sessions' as const),
    rows: rowsOf(sessionRow(sessionId, allOf)),
  }),
  fc.record({
    kind: fc.constant('elsewhere' as const),
    what: fc.constant('tasks' as const),
    rows: sessionId.chain((id) => rowsOf(taskRowOf(id, allOf))),
  }),
);
const days = fc.constantFrom(0, 0, 1, 36_500);
const cleanup = fc.record({
  kind: fc.constant('cleanup' as const),
  method: fc.constantFrom('POST' as const, 'DELETE' as const),
  request: fc.record(
    {
      completed_days: days,
      failed_days: days,
      dry_run: fc.boolean(),
      mode: fc.constantFrom('soft', 'hard'),
    },
    { requiredKeys: [] },
  ),
});
const flush = fc.constant({ kind: 'flush' as const });
const refused = fc
  .record({
    session_id: sessionId,
    what: fc.constantFrom('sessions' as const, 'tasks' as const, 'status' as const),
  })
  .chain(({ session_id, what }) =>
    rowsOf<Fields>(what === 'tasks' ? taskRowOf(session_id) : sessionRow(sessionId)).map((rows) => ({
      kind: 'refused' as const,
      session_id,
      what,
      rows: [...rows, { ...rows[0], status: 'unheard of' }],
    })),
  );

const settings: fc.Arbitrary<Settings> = fc.record({
  bufferedMax: fc.constantFrom(3 as const, 100_000 as const),
  segmentBytesMax: fc.constantFrom(4096 as const, 67_108_864 as const),
});

const callsAbout = (id: fc.Arbitrary<string>): fc.Arbitrary<Call> =>
  fc.oneof(
    { weight: 2, arbitrary: writeSessions(id) },
    { weight: 3, arbitrary: writeTasks(id) },
    { weight: 2, arbitrary: changeStatus(id) },
    { weight: 2, arbitrary: deletion(id) },
    { weight: 1, arbitrary: flush },
  );
/** At the same time: mostly about one session, where they meet. */
const meeting = fc.oneof(
  { weight: 3, arbitrary: sessionId.chain((id) => callsAtOnce(fc.constant(id))) },
  { weight: 1, arbitrary: callsAtOnce(sessionId) },
);

const everySession = fc
  .tuple(...sessionIds.map((id) => sessionRow(fc.constant(id))))
  .map((rows): Step => ({ kind: 'sessions', rows }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: writeSessions(sessionId) },
  { weight: 6, arbitrary: writeTasks(sessionId) },
  { weight: 2, arbitrary: changeStatus(sessionId) },
  { weight: 2, arbitrary: deletion(sessionId) },
  { weight: 1, arbitrary: refused },
  { weight: 1, arbitrary: cleanup },
  { weight: 2, arbitrary: flush },
  { weight: 2, arbitrary: fc.constant({ kind: 'look' as const }) },
  { weight: 2, arbitrary: elsewhere },
  { weight: 1, arbitrary: fc.constant({ kind: 'flush elsewhere' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('together' as const), calls: meeting }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), settings }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('kill' as const),
      during: fc.oneof(meeting, fc.constant<Call[]>([])),
      settings,
    }),
  },
);

/** What happens to a service from its first start on; mostly, it begins with every session. */
export const history: fc.Arbitrary<{ settings: Settings; steps: Step[] }> = fc.record({
  settings,
  steps: fc
    .tuple(
      fc.option(everySession, { nil: undefined, freq: 4 }),
      fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }),
    )
    .map(([first, rest]) => (first === undefined ? rest : [first, ...rest])),
});

/** A batch that contradicts itself. */
function inTwoSessions(row: Fields): fc.Arbitrary<Fields[]> {
  return sessionId.map((session_id) => [row, { ...row, session_id }]);
}

type Arbitraries = Record<string, fc.Arbitrary<unknown>>;

function someOf(required: Arbitraries, optional: Arbitraries): fc.Arbitrary<Fields> {
  return fc.record(
    { ...required, ...optional },
    { requiredKeys: Object.keys(required) },
  ) as fc.Arbitrary<Fields>;
}

function allOf(required: Arbitraries, optional: Arbitraries): fc.Arbitrary<Fields> {
  return fc.record({ ...required, ...optional });
}

function rowsOf<Row>(row: fc.Arbitrary<Row>): fc.Arbitrary<Row[]> {
  return fc.array(row, { minLength: 1, maxLength: 4 });
}

function callsAtOnce(id: fc.Arbitrary<string>): fc.Arbitrary<Call[]> {
  return fc.array(callsAbout(id), { minLength: 2, maxLength: 3 });
}
