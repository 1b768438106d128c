import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { validate } from '@readme/openapi-parser';
import type { OpenAPIV3 } from 'openapi-types';
import { currentDocument, documentFile, textOf } from '../../scripts/openapi.ts';
import { statusOf } from '../../src/http/errors.ts';
import { type ErrorCode, errorCodes } from '../../src/platform/errors.ts';
import { ApiDocument } from '../support/api-document.ts';

const served = await currentDocument();
const document = JSON.parse(served) as OpenAPIV3.Document;
const api = new ApiDocument(document);

test('docs/openapi.json is what the service serves, whatever its version', () => {
  const committed = JSON.parse(readFileSync(documentFile, 'utf8')) as OpenAPIV3.Document;
  const { version } = document.info;
  if (textOf({ ...committed, info: { ...committed.info, version } }) === served) return;
  throw new Error('docs/openapi.json is not what the service serves: run `npm run openapi`, and commit it');
});

test('the document is valid OpenAPI', async () => {
  expect(await validate(structuredClone(document))).toMatchObject({ valid: true, warnings: [] });
});

test('nothing of the plugin and of TypeBox shows: no examples, const or x- keyword in a schema, no odd content type', () => {
  expect(served).not.toMatch(/"(const|x-(?!request-id)[\w-]+|patternProperties)":/);
  expect(served).not.toMatch(/"examples": \[/);
  expect(new Set(served.match(/"\w+\/[\w-]+": \{/g))).toEqual(
    new Set(['"application/json": {', '"text/plain": {']),
  );
});

describe.each(api.operations.map((operation) => [operation.name, operation] as const))(
  '%s',
  (_, operation) => {
    test('has an id of its own, a tag that is described, a summary and a description', () => {
      expect(operation.operationId).toMatch(
        /^(?!(get|post|put|patch|delete)(Api|Health|Metrics|Index))[a-z]+([A-Z][a-z]+)+$/,
      );
      expect(document.tags?.map(({ name }) => name)).toContain(String(operation.tags?.[0]));
      expect(operation).toMatchObject({ summary: expect.any(String), description: expect.any(String) });
    });

    test('describes each parameter, with an example that fits it', () => {
      for (const { name, description, example, schema } of operation.parameters) {
        expect({ name, description }).toEqual({ name, description: expect.stringMatching(/\.$/) });
        expect(api.problemsOf(schema, example)).toEqual([]);
      }
    });

    test('has an example of its body and of each answer, and they fit', () => {
      for (const { what, media } of operation.bodies) {
        const examples = media.examples ?? { only: { value: media.example } };
        for (const [name, example] of Object.entries(examples)) {
          const { value } = example as OpenAPIV3.ExampleObject;
          expect({ what, name, problems: api.problemsOf(media.schema, value) }).toEqual({
            what,
            name,
            problems: [],
          });
        }
      }
    });

    test('describes each answer and its headers', () => {
      for (const [status, answer] of Object.entries(operation.answers)) {
        expect({ status, description: answer.description }).toEqual({
          status,
          description: expect.stringMatching(/\.$/),
        });
        expect(answer.headers).toHaveProperty('x-request-id');
      }
    });

    test('has each error code under the status of the table, and Retry-After with every error of status 503', () => {
      expect(operation.errorCodes(500)).toEqual(['INTERNAL_ERROR']);
      for (const [status, answer] of Object.entries(operation.answers)) {
        const codes = operation.errorCodes(Number(status));
        for (const code of codes) expect(statusOf[code as ErrorCode]).toBe(Number(status));
        expect(Object.keys(answer.content?.['application/json']?.examples ?? {})).toEqual(codes);
        if (status === '503' && codes.length > 0) expect(answer.headers).toHaveProperty('retry-after');
      }
    });
  },
);

test('every error code of the table is at an endpoint, but for those that belong to none', () => {
  const documented = new Set(
    api.operations.flatMap(({ answers, errorCodes }) =>
      Object.keys(answers).flatMap((status) => errorCodes(Number(status))),
    ),
  );
  const missing = Object.keys(errorCodes).filter((code) => !documented.has(code));
  // The first is about paths that are no endpoint. Connections are closed before the journal is: nobody sees the second.
  expect(missing).toEqual(['ROUTE_NOT_FOUND', 'NOT_ACCEPTING']);
});
