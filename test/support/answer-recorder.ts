import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RecordedAnswer, recordFolderVariable } from './api-coverage.ts';
import { ApiDocument } from './api-document.ts';

/**
 * Loaded before the tests by scripts/test.ts: notes each answer of a service that a test gets by `fetch`, and what the
 * OpenAPI document does not say of it. The body is looked at when the test reads it, so that tests see no difference.
 */

const folder = process.env[recordFolderVariable];
if (folder !== undefined) recordInto(join(folder, `${process.pid}.jsonl`));

function recordInto(file: string): void {
  const text = readFileSync(join(import.meta.dir, '../../docs/openapi.json'), 'utf8');
  const document = new ApiDocument(JSON.parse(text));
  const noted = new Set<string>();
  const note = (answer: RecordedAnswer): void => {
    const line = `${JSON.stringify(answer)}\n`;
    if (noted.has(line)) return;
    noted.add(line);
    appendFileSync(file, line);
  };
  const ask = globalThis.fetch;
  const recording = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await ask(input, init);
    // Only the service sends one.
    if (!response.headers.has('x-request-id')) return response;
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    note(document.recorded(method, pathname, response));
    const read = response.text.bind(response);
    const text = async (): Promise<string> => {
      const body = await read();
      note(document.recorded(method, pathname, response, body));
      return body;
    };
    return Object.assign(response, { text, json: async () => JSON.parse(await text()) });
  };
  globalThis.fetch = Object.assign(recording, { preconnect: ask.preconnect });
}
