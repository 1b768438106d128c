import { describe, expect, test } from 'bun:test';
import type { TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { SessionRecord, sessions, TaskRecord, tasks } from '../../src/modules/translation/records.ts';
import {
  Choice,
  Clearable,
  Document,
  documentDepthMax,
  explainField,
  Fraction,
  Instant,
  Text,
  textBytesMax,
  Whole,
  wholeMax,
} from '../../src/storage/field.ts';
import { aSession, aTask } from '../support/records.ts';

const options = { description: 'a field of a test' };

/** Both say the same: whether a value is accepted, and why it is not. */
function problemOf(schema: TSchema, value: unknown): string | undefined {
  const problem = explainField(schema, value);
  expect(Value.Check(schema, value)).toBe(problem === undefined);
  return problem;
}

const accepts = (schema: TSchema, value: unknown): boolean => problemOf(schema, value) === undefined;

const loneSurrogates = ['\ud800', '\udc00', 'a\ud83d', '\udc09b', '\udc09\ud83d'];

describe('a text', () => {
  const short = Text({ charactersMin: 1, charactersMax: 4 }, options);
  const long = Text({ bytesMax: textBytesMax }, options);

  test('is limited in code points, the unit of a VARCHAR', () => {
    expect(accepts(short, 'abcd')).toBe(true);
    expect(problemOf(short, 'abcde')).toBe('must have at most 4 characters, not 5');
    expect(accepts(short, '🐉🐉🐉🐉')).toBe(true);
    expect(problemOf(short, '🐉🐉🐉🐉🐉')).toBe('must have at most 4 characters, not 5');
    expect(accepts(short, 'éééé')).toBe(true);
    expect(accepts(short, 'e\u0301e\u0301')).toBe(true);
    expect(accepts(short, 'e\u0301e\u0301e\u0301')).toBe(false);
  });

  test('is limited in bytes of UTF-8, the unit of a TEXT', () => {
    for (const [character, bytes] of [
      ['a', 1],
      ['é', 2],
      ['龙', 3],
      ['🐉', 4],
    ] as const) {
      const fitting = character.repeat(Math.floor(textBytesMax / bytes));
      expect(accepts(long, fitting)).toBe(true);
      expect(problemOf(long, fitting + character)).toBe(
        `must have at most 65535 bytes in UTF-8, not ${Buffer.byteLength(fitting + character)}`,
      );
    }
  });

  test('of a key must not be empty; any other may', () => {
    expect(problemOf(short, '')).toBe('must not be empty');
    expect(accepts(long, '')).toBe(true);
  });

  test('with an unpaired surrogate is refused; a pair is not', () => {
    for (const text of loneSurrogates) {
      expect(problemOf(long, text)).toContain('unpaired surrogate');
      expect(problemOf(short, text)).toContain('unpaired surrogate');
    }
    expect(accepts(long, '\ud83d\udc09')).toBe(true);
  });

  test('may hold any other character, also those that databases and shells dislike', () => {
    expect(accepts(long, '\u0000\u0001\u007f\u00a0\u2028\ufeff\uffff\'"`\\%_;--\r\n\t')).toBe(true);
  });

  test('is a string and nothing else', () => {
    for (const value of [null, undefined, 1, true, [], {}, ['a']]) {
      expect(problemOf(long, value)).toBe('must be a string');
    }
  });
});

test('a choice is one of its words, letter by letter', () => {
  const schema = Choice(['pending', 'completed'], options);
  expect(accepts(schema, 'pending')).toBe(true);
  for (const value of ['Pending', 'pending ', '', 'toString', null, 0, ['pending']]) {
    expect(problemOf(schema, value)).toBe('must be one of pending, completed');
  }
});

test('a whole number is an integer from 0 to the largest INT', () => {
  const schema = Whole(options);
  for (const value of [0, 1, wholeMax, 2.0, -0, JSON.parse('1e3')]) expect(accepts(schema, value)).toBe(true);
  for (const value of [-1, wholeMax + 1, 0.5, Number.NaN, JSON.parse('1e999'), '1', null, true, [1]]) {
    expect(problemOf(schema, value)).toBe('must be an integer from 0 to 2147483647');
  }
});

test('a fraction is a number from 0 to 1', () => {
  const schema = Fraction(options);
  for (const value of [0, 1, 0.5, 0.00001, 0.99999]) expect(accepts(schema, value)).toBe(true);
  for (const value of [-0.0001, 1.0001, Number.NaN, JSON.parse('1e999'), JSON.parse('-1e999'), '0.5', null]) {
    expect(problemOf(schema, value)).toBe('must be a number from 0 to 1');
  }
});

test('an instant is a date and time that exists, as a string', () => {
  const schema = Instant(options);
  for (const value of ['2025-09-30T10:15:30Z', '2025-09-30T10:15:30.123456+08:00', '2025-09-30T10:15:30']) {
    expect(accepts(schema, value)).toBe(true);
  }
  for (const value of [
    '2025-02-30T00:00:00Z',
    '0999-01-01T00:00:00Z',
    'yesterday',
    '',
    1_759_226_400,
    null,
  ]) {
    expect(problemOf(schema, value)).toContain('must be a date and time in ISO 8601');
  }
});

describe('a document', () => {
  const schema = Document(options);

  /** `{"a":{"a":… }}`, so many objects or arrays inside each other. */
  const nested = (levels: number, open = '{"a":', close = '}', innermost = '{}'): unknown =>
    JSON.parse(open.repeat(levels - 1) + innermost + close.repeat(levels - 1));

  test('is an object, not an array and not a plain value', () => {
    expect(accepts(schema, {})).toBe(true);
    for (const value of [[], [{}], null, 'text', 1, true, undefined]) {
      expect(problemOf(schema, value)).toBe('must be a JSON object');
    }
  });

  test('is nested 31 levels at most', () => {
    expect(documentDepthMax).toBe(31);
    expect(accepts(schema, nested(31))).toBe(true);
    expect(problemOf(schema, nested(32))).toBe('must not be nested deeper than 31 levels');
    expect(accepts(schema, { a: nested(30, '[', ']', '[]') })).toBe(true);
    expect(accepts(schema, { a: nested(31, '[', ']', '[]') })).toBe(false);
    expect(accepts(schema, { a: nested(30, '[', ']', '[1, "text", null]') })).toBe(true);
  });

  test('nested without end is refused and not followed', () => {
    expect(problemOf(schema, { a: nested(5_000, '[', ']', '[]') })).toContain('nested deeper');
  });

  test('with a number too large for JSON is refused, at any level', () => {
    for (const json of ['{"a":1e999}', '{"a":-1e999}', '{"a":[{"b":[1e400]}]}']) {
      expect(problemOf(schema, JSON.parse(json))).toBe('holds a number too large to keep');
    }
    expect(accepts(schema, { a: [Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324] })).toBe(true);
  });

  test('with an unpaired surrogate in a text or a key is refused, at any level', () => {
    for (const text of loneSurrogates) {
      for (const value of [{ a: text }, { [text]: 1 }, { a: [[text]] }, { a: { b: { [text]: null } } }]) {
        expect(problemOf(schema, value)).toContain('unpaired surrogate');
      }
    }
  });

  test('is limited in bytes of its JSON in UTF-8', () => {
    const fitting = { a: 'x'.repeat(textBytesMax - '{"a":""}'.length) };
    expect(accepts(schema, fitting)).toBe(true);
    expect(problemOf(schema, { a: `${fitting.a}x` })).toBe(
      'must have at most 65535 bytes in UTF-8, not 65536',
    );
    expect(accepts(schema, { a: '龙'.repeat(21_842) })).toBe(true);
    expect(accepts(schema, { a: '龙'.repeat(21_843) })).toBe(false);
    expect(accepts(schema, { a: '"'.repeat(32_763) })).toBe(true);
    expect(accepts(schema, { a: '"'.repeat(32_764) })).toBe(false);
  });

  test('may have any key', () => {
    expect(accepts(schema, JSON.parse('{"__proto__":{"a":1},"constructor":1,"":2,"toJSON":"x"}'))).toBe(true);
  });
});

describe('a field that can be cleared', () => {
  const fields = [
    Text({ charactersMax: 4 }, options),
    Choice(['a'], options),
    Whole(options),
    Fraction(options),
    Instant(options),
    Document(options),
  ];

  test('takes null; one that cannot does not', () => {
    for (const field of fields) {
      expect(Value.Check(Clearable(field), null)).toBe(true);
      expect(Value.Check(field, null)).toBe(false);
    }
  });

  test('says so when it refuses a value, and keeps its limits', () => {
    for (const field of fields) {
      expect(problemOf(Clearable(field), true)).toEndWith(', or null');
    }
    expect(problemOf(Clearable(Text({ charactersMax: 4 }, options)), 'abcde')).toBe(
      'must have at most 4 characters, not 5',
    );
  });
});

describe('the records of the service', () => {
  test('accept what a client sends, and unknown fields with it', () => {
    expect(Value.Check(SessionRecord, { ...aSession(), unknown: { a: 1 } })).toBe(true);
    expect(Value.Check(TaskRecord, { ...aTask('session'), unknown: [] })).toBe(true);
  });

  test.each([
    ['session', SessionRecord, sessions, aSession()],
    ['task', TaskRecord, tasks, aTask('session')],
  ] as const)(
    'of a %s need their required fields, and let every other be left out or cleared',
    (_, schema, collection, record) => {
      for (const { name, required } of collection.fields) {
        const { [name as keyof typeof record]: _left, ...without } = record;
        expect(Value.Check(schema, without)).toBe(!required);
        expect(Value.Check(schema, { ...record, [name]: null })).toBe(!required);
      }
      expect(collection.fields.filter(({ required }) => required).map(({ name }) => name)).toContain(
        'status',
      );
    },
  );
});
