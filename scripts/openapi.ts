// Writes docs/openapi.json: `npm run openapi`. It is what the service serves as /openapi.json.

import { join } from 'node:path';
import { Registry } from 'prom-client';
import { type AppParts, createApp } from '../src/app.ts';
import { RequestLimit } from '../src/http/request-limit.ts';

export const documentFile = join(import.meta.dir, '../docs/openapi.json');

/** The document of the routes as they are in the source, as text. */
export async function currentDocument(): Promise<string> {
  // The routes describe themselves; nothing behind them is asked.
  const parts: Partial<AppParts> = {
    metrics: new Registry(),
    bodyBytesMax: 1,
    requestLimit: new RequestLimit({ requestsMax: 1, bytesMax: 1, bodyBytesMax: 1 }),
  };
  const answer = await createApp(parts as AppParts).handle(new Request('http://localhost/openapi.json'));
  return textOf(await answer.json());
}

/** A document in the form in which the file has it. */
export function textOf(document: unknown): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

if (import.meta.main) {
  await Bun.write(documentFile, await currentDocument());
  console.log('docs/openapi.json: written');
}
