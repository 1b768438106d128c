import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const guide = readFileSync(join(import.meta.dir, '../../docs/quarantine.md'), 'utf8');

test('the commands of docs/quarantine.md, pasted one after the other, print what it says', async () => {
  using folder = temporaryFolder();
  await using service = await startServiceProcess({ dataDir: join(folder.path, 'data') });
  const commands = blocks('bash').join('').replaceAll('http://localhost:8001', service.url);
  const shell = Bun.spawn(['bash', '-euo', 'pipefail'], {
    cwd: folder.path,
    stdin: new Blob([commands]),
    stdout: 'pipe',
    stderr: 'inherit',
  });
  const output = await new Response(shell.stdout).text();
  expect(await shell.exited).toBe(0);
  expect(masked(output)).toBe(masked(blocks('json').join('')));
});

function blocks(language: 'bash' | 'json'): string[] {
  return [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block = '']) => block,
  );
}

/** What is said whenever it is asked: no times, durations, versions and ids that are made of them. */
function masked(text: string): string {
  return text
    .replaceAll(/\d{16}-[0-9a-f]{16}/g, 'ID')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z/g, 'TIME')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'REQUEST')
    .replaceAll(/("(?:first_)?version": )\d+/g, '$1VERSION')
    .replaceAll(/("duration_ms":)\d+/g, '$1DURATION');
}
