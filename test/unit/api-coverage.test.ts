import { expect, test } from 'bun:test';
import { openApiDocument } from '../../src/http/openapi-document.ts';
import { errorsOf } from '../../src/http/openapi-errors.ts';
import { notExercised, type RecordedAnswer, undocumented } from '../support/api-coverage.ts';
import { ApiDocument } from '../support/api-document.ts';

const thing = {
  title: 'Thing',
  type: 'object',
  properties: { id: { type: 'string' }, note: { type: 'string', nullable: true } },
  required: ['id'],
};
const content = { 'application/json': { schema: thing } };
const document = new ApiDocument(
  openApiDocument({
    openapi: '3.0.3',
    info: { title: 'Things', version: '1.0.0' },
    servers: [],
    tags: [],
    paths: {
      '/things/{id}': {
        get: {
          responses: { 200: { description: 'A thing.', content } },
          ...errorsOf(['NOT_FOUND', 'JOURNAL_FULL']),
        },
      },
      '/things/first': { get: { responses: { 200: { description: 'A thing.', content } } } },
    },
  }),
);
const notFound = { detail: 'No such thing', error_code: 'NOT_FOUND', request_id: 'r' };

test('every endpoint, status and error code that no test has brought about is named', () => {
  expect(notExercised(document, [], [])).toEqual([
    'no test brings about: GET /things/{id} 200',
    'no test brings about: GET /things/{id} 404 NOT_FOUND',
    'no test brings about: GET /things/{id} 500 INTERNAL_ERROR',
    'no test brings about: GET /things/{id} 503 OVERLOADED',
    'no test brings about: GET /things/{id} 503 JOURNAL_FULL',
    'no test brings about: GET /things/first 200',
    'no test brings about: GET /things/first 500 INTERNAL_ERROR',
    'no test brings about: GET /things/first 503 OVERLOADED',
  ]);
  expect(
    notExercised(document, [answer('/things/a', 200, { id: 'a' }), answer('/things/b', 404, notFound)]),
  ).toEqual([
    'no test brings about: GET /things/{id} 503 OVERLOADED',
    'no test brings about: GET /things/{id} 503 JOURNAL_FULL',
    'no test brings about: GET /things/first 200',
    'no test brings about: GET /things/first 503 OVERLOADED',
  ]);
});

test('an error counts for its own code only, and only where it was', () => {
  const elsewhere = { operation: 'GET /things', status: 503, code: 'JOURNAL_FULL', problems: [] };
  const withoutCode = { operation: 'GET /things/{id}', status: 503, problems: [] };
  expect(notExercised(document, [elsewhere, withoutCode])).toContain(
    'no test brings about: GET /things/{id} 503 JOURNAL_FULL',
  );
});

test('what is allowed to be missing, and is not, is named too', () => {
  const fault = { operation: 'GET /things/first', status: 500, code: 'INTERNAL_ERROR', problems: [] };
  expect(notExercised(document, [fault])).toContain(
    'allowed to be missing, and is not: GET /things/first 500 INTERNAL_ERROR',
  );
});

test('an answer is of the endpoint without parameters, if there is one', () => {
  expect(answer('/things/first', 200, { id: 'a' })).toMatchObject({ operation: 'GET /things/first' });
  expect(answer('/things/second', 200, { id: 'a' })).toMatchObject({ operation: 'GET /things/{id}' });
});

test.each<[what: string, RecordedAnswer, problem: string | undefined]>([
  ['as the document says', answer('/things/a', 200, { id: 'a', note: null }), undefined],
  ['an error as the document says', answer('/things/a', 404, notFound), undefined],
  [
    'a refusal of an unknown path',
    answer('/', 404, { ...notFound, error_code: 'ROUTE_NOT_FOUND' }),
    undefined,
  ],
  ['a field too many', answer('/things/a', 200, { id: 'a', more: 1 }), 'additional properties'],
  [
    'a field of an error too many',
    answer('/things/a', 404, { ...notFound, more: 1 }),
    'additional properties',
  ],
  ['a field too few', answer('/things/a', 200, {}), "required property 'id'"],
  ['a wrong type', answer('/things/a', 200, { id: 1 }), 'must be string'],
  [
    'another error code',
    answer('/things/a', 404, { ...notFound, error_code: 'JOURNAL_FULL' }),
    'allowed values',
  ],
  ['another status', answer('/things/a', 201, { id: 'a' }), 'does not have this status'],
  [
    'another content type',
    answer('/things/a', 200, { id: 'a' }, { 'content-type': 'text/html' }),
    'text/html',
  ],
  [
    'no Retry-After',
    answer('/things/a', 503, { ...notFound, error_code: 'JOURNAL_FULL' }),
    'no header retry-after',
  ],
  ['an endpoint that is not described', answer('/others', 200, { id: 'a' }), 'is no endpoint'],
])('%s is judged so', (_, recorded, problem) => {
  const sentences = undocumented([recorded]);
  if (problem === undefined) expect(sentences).toEqual([]);
  else expect(sentences.join()).toContain(problem);
});

function answer(
  path: string,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): RecordedAnswer {
  const response = Response.json(body, { status, headers: { 'x-request-id': 'r', ...headers } });
  return document.recorded('GET', path, response, JSON.stringify(body));
}
