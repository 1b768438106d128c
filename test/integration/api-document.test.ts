import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Api } from '../support/api.ts';
import { jsonLines, paste, withoutVarying } from '../support/printed-session.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const apiDocument = readFileSync(join(import.meta.dir, '../../docs/api.md'), 'utf8');

interface Example {
  commands: string;
  language: string | undefined;
  printed: string | undefined;
}

const examples: readonly Example[] = [
  ...apiDocument.matchAll(/^```bash\n([\s\S]*?)^```(?:\n\n```(json|text)\n([\s\S]*?)^```)?/gm),
].map(([, commands = '', language, printed]) => ({ commands, language, printed }));

test('the examples of docs/api.md, pasted from top to bottom, print what it says', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path });
  // Its first block is what all others need.
  const [preparation, ...calls] = examples;
  expect(calls.length).toBeGreaterThan(20);
  for (const { commands, language, printed = '' } of calls) {
    const shell = `curl() { command curl -w '\\n' "$@"; }\n${preparation?.commands}${commands}`;
    const output = await paste(shell, service.url);
    if (language === 'text') expect(output.trim()).toBe(printed.trim());
    else expect(jsonLines(output).map(withoutVarying)).toEqual(jsonLines(printed).map(withoutVarying));
  }
});

test('docs/api.md has every endpoint that the service has', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: folder.path });
  const { body } = await new Api(service.url).get<{ paths: Record<string, object> }>('/openapi.json');
  const endpoints = Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(endpoints.length).toBeGreaterThan(25);
  expect(endpoints.filter((endpoint) => !apiDocument.includes(`\`${endpoint}\``))).toEqual([]);
});
