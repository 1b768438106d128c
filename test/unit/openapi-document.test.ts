import { expect, test } from 'bun:test';
import { openApiDocument, type RouteDocument } from '../../src/http/openapi-document.ts';
import { errorsOf } from '../../src/http/openapi-errors.ts';
import { SchemaComponents } from '../../src/http/openapi-schemas.ts';

type Operation = RouteDocument['paths'][string][string];

const thing = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] };

test('a schema with a title becomes one shared component, wherever it stands', () => {
  const components = new SchemaComponents();
  const named = { title: 'Thing', description: 'A thing.', ...thing };
  expect(components.convert({ type: 'array', items: named })).toEqual({
    type: 'array',
    items: { $ref: '#/components/schemas/Thing' },
  });
  expect(components.convert({ ...named, description: 'Another one.' })).toEqual({
    $ref: '#/components/schemas/Thing',
  });
  expect(Object.entries(components.schemas)).toEqual([
    ['Thing', { description: 'A thing.', ...thing } as object],
  ]);
});

test('two different schemas of one title are a mistake', () => {
  const components = new SchemaComponents();
  components.convert({ title: 'Thing', ...thing });
  expect(() => components.convert({ title: 'Thing', type: 'string' })).toThrow('the title "Thing"');
});

test.each([
  ['const', { const: 'accepted', type: 'string' }, { type: 'string', enum: ['accepted'] }],
  ['examples', { type: 'integer', examples: [3, 4] }, { type: 'integer', example: 3 }],
  ['a merge rule', { type: 'string', 'x-merge': 'fixed' }, { type: 'string' }],
  [
    'limits of our own',
    { type: 'string', description: 'A text.', 'x-bytesMax': 9, 'x-initial': 0 },
    { type: 'string', description: 'A text. At most 9 bytes in UTF-8. 0 until given.' },
  ],
  [
    'any name of a field',
    { type: 'object', patternProperties: { '^(.*)$': {} } },
    { type: 'object', additionalProperties: true },
  ],
  ['a closed object', { ...thing, additionalProperties: false }, thing],
  ['null', { type: 'string', nullable: true }, { type: 'string', nullable: true }],
])('%s is said in OpenAPI 3.0', (_, schema, expected) => {
  expect(new SchemaComponents().convert(schema)).toEqual(expected as object);
});

test('a body is JSON only, and has the example of its schema', () => {
  const schema = { ...thing, title: 'Thing', description: 'A thing.', examples: [{ id: 'a' }] };
  const content = { 'application/json': { schema }, 'multipart/form-data': { schema } };
  expect(operationOf({ requestBody: { content }, responses: {} }).requestBody).toEqual({
    description: 'A thing.',
    required: true,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' }, example: { id: 'a' } } },
  });
});

test('the title, the description and the example that the plugin puts at an answer go where they belong', () => {
  const media = { schema: thing };
  const answer = {
    title: 'Thing',
    description: 'A thing.',
    examples: [{ id: 'a' }],
    content: { 'application/json': media, 'text/plain': media },
  };
  expect(operationOf({ responses: { 200: answer } }).responses['200']).toEqual({
    description: 'A thing.',
    headers: { 'x-request-id': { $ref: '#/components/headers/RequestId' } },
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' }, example: { id: 'a' } } },
  });
});

test('an answer that is no JSON keeps its content type', () => {
  const content = { 'text/plain': { schema: { type: 'string', examples: ['text'] } } };
  const { responses } = operationOf({ responses: { 200: { description: 'A text.', content } } });
  expect(responses['200']).toMatchObject({ content: { 'text/plain': { example: 'text' } } });
});

test('declared errors are answers by their status, in the order of the table, with an example of each code', () => {
  const declared = errorsOf(['JOURNAL_FAILED', 'NOT_FOUND', 'JOURNAL_FULL'], {
    NOT_FOUND: { detail: 'No such thing' },
  });
  const { responses } = operationOf({ responses: {}, ...declared });
  expect(Object.keys(responses)).toEqual(['404', '500', '503']);
  expect(responses['404']).toMatchObject({
    content: {
      'application/json': {
        examples: { NOT_FOUND: { value: { detail: 'No such thing', error_code: 'NOT_FOUND' } } },
      },
    },
  });
  expect(responses['503']).toMatchObject({
    headers: { 'retry-after': { $ref: '#/components/headers/RetryAfter' } },
    content: {
      'application/json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Error' },
            { properties: { error_code: { enum: ['OVERLOADED', 'JOURNAL_FULL', 'JOURNAL_FAILED'] } } },
          ],
        },
      },
    },
  });
});

test('only an operator is never refused because there are too many requests', () => {
  expect(Object.keys(operationOf({ responses: {} }).responses)).toEqual(['500', '503']);
  expect(Object.keys(operationOf({ responses: {}, tags: ['system'] }).responses)).toEqual(['500']);
});

test('a route cannot both declare an error and answer otherwise with its status', () => {
  const answer = { description: 'Bad.', content: { 'application/json': { schema: thing } } };
  expect(() => operationOf({ responses: { 503: answer }, ...errorsOf(['JOURNAL_FULL']) })).toThrow(
    'both an error and another answer: 503',
  );
});

function operationOf(operation: Operation) {
  const info = { title: 'Things', version: '1.0.0' };
  const paths = { '/things': { post: operation } };
  const { post } =
    openApiDocument({ openapi: '3.0.3', info, servers: [], tags: [], paths }).paths['/things'] ?? {};
  if (post === undefined) throw new Error('The operation is lost');
  return post;
}
