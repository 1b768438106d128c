import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chromiumPath, openPage } from '../support/browser.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const assets = [
  '/docs',
  '/docs/start.js',
  '/docs/swagger-ui-bundle.js',
  '/docs/swagger-ui.css',
  '/redoc',
  '/redoc/start.js',
  '/redoc/redoc.standalone.js',
];

const folder = temporaryFolder();
let service: ServiceProcess;
beforeAll(async () => {
  service = await startServiceProcess({ dataDir: folder.path });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe.each(assets)('%s', (path) => {
  test('may load from this service only', async () => {
    const { headers } = await fetch(service.url + path);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toStartWith("default-src 'self'; ");
    expect(policy).not.toMatch(/https?:|\*/);
  });

  test('is compressed for clients that can read it, and is the same for those that cannot', async () => {
    const answers = await Promise.all(
      ['gzip, br', 'identity'].map((encoding) =>
        fetch(service.url + path, { headers: { 'accept-encoding': encoding } }),
      ),
    );
    expect(answers.map(({ headers }) => headers.get('content-encoding'))).toEqual(['gzip', null]);
    const [zipped, plain] = await Promise.all(answers.map((answer) => answer.text()));
    expect(zipped === plain).toBe(true);
  });

  test('is not sent again to a client that has it', async () => {
    const etag = (await fetch(service.url + path)).headers.get('etag') ?? '';
    expect(etag).not.toBe('');
    const headers = { 'if-none-match': etag };
    expect((await fetch(service.url + path, { headers })).status).toBe(304);
    expect((await fetch(service.url + path, { headers: { 'if-none-match': 'W/"old"' } })).status).toBe(200);
  });
});

if (chromiumPath !== undefined) {
  const browser = chromiumPath;

  test('/docs: a batch is tried out in a browser without any other host, and the service answers', async () => {
    await using opened = await openPage(service.url, browser);
    const { page, complaints } = opened;
    await page.goto(`${service.url}/docs`);
    const operation = page.locator('#operations-write-writeSessionsBatch');
    await operation.locator('.opblock-summary-control').click();
    await operation.getByRole('button', { name: 'Try it out' }).click();
    await operation.getByRole('button', { name: 'Execute' }).click();
    const answer = operation.locator('.live-responses-table .response');
    expect(await answer.locator('.response-col_status').textContent()).toStartWith('200');
    expect(await answer.locator('.highlight-code').first().textContent()).toContain('"status": "accepted"');
    expect(complaints).toEqual([]);
  });

  test('/docs: a list is tried out as it stands, since only what it must have is filled in', async () => {
    await using opened = await openPage(service.url, browser);
    const { page, complaints } = opened;
    await page.goto(`${service.url}/docs`);
    const operation = page.locator('#operations-translation-listSessions');
    await operation.locator('.opblock-summary-control').click();
    await operation.getByRole('button', { name: 'Try it out' }).click();
    await operation.getByRole('button', { name: 'Execute' }).click();
    const answer = operation.locator('.live-responses-table .response');
    expect(await answer.locator('.response-col_status').textContent()).toStartWith('200');
    expect(await operation.locator('.request-url').textContent()).toEndWith('/api/v1/translation/sessions');
    expect(complaints).toEqual([]);
  });

  test('/redoc: every operation and its errors are shown in a browser without any other host', async () => {
    await using opened = await openPage(service.url, browser);
    const { page, complaints } = opened;
    await page.goto(`${service.url}/redoc`);
    const operation = page.locator('[id="tag/write/operation/writeTasksBatch"]');
    await operation.getByText('Creates or updates tasks of sessions that exist.').waitFor();
    await operation.getByText('SESSION_NOT_FOUND: A batch of tasks names a session').first().waitFor();
    await page.getByRole('textbox', { name: 'Search' }).fill('restore');
    await page.locator('[data-role="search:results"]').getByText('A session with all').waitFor();
    expect(complaints).toEqual([]);
  });
}
