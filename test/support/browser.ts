import { type Browser, chromium, type Page } from 'playwright-core';
import { programOf } from './debian-package.ts';

/** A page of a browser that reaches one service and nothing else. */
export interface TestPage extends AsyncDisposable {
  page: Page;
  /** What the page asked of other hosts, allowed or not, and what it complained about. */
  complaints: readonly string[];
}

/** The path of Chromium, or undefined where it cannot run: that is said loudly, and fails the run where CI is set. */
export const chromiumPath: string | undefined = await availableChromium();

async function availableChromium(): Promise<string | undefined> {
  try {
    return await programOf('chromium', 'chromium');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = `ALL TESTS IN A BROWSER ARE LEFT OUT: ${reason}.`;
    if (process.env.CI === 'true') throw new Error(message);
    console.error(`\n*** ${message}\n`);
    return undefined;
  }
}

/** Starts a browser with one empty page; `await using` ends it. */
export async function openPage(serviceUrl: string, executablePath: string): Promise<TestPage> {
  const browser = await chromium.launch({ executablePath, args: [...flags], chromiumSandbox: false });
  try {
    return await isolatedPage(browser, new URL(serviceUrl).origin);
  } catch (error) {
    await browser.close();
    throw error;
  }
}

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

async function isolatedPage(browser: Browser, origin: string): Promise<TestPage> {
  const complaints: string[] = [];
  const page = await browser.newPage();
  await page.route('**/*', async (route) => {
    const url = route.request().url();
    if (new URL(url).origin === origin) return await route.continue();
    complaints.push(`asked for ${url}`);
    return await route.abort();
  });
  // What the security policy forbids never becomes a request.
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return { page, complaints, [Symbol.asyncDispose]: () => browser.close() };
}
