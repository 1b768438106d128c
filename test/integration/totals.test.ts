import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { KeptAnswers } from '../../src/modules/translation/kept-answers.ts';
import { sessions } from '../../src/modules/translation/records.ts';
import { countedAlways, Totals } from '../../src/modules/translation/totals.ts';
import { SqliteBackend } from '../../src/storage/sqlite/backend.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aSession } from '../support/records.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

test('totals are exact up to a size, and a moment old above it', async () => {
  using folder = temporaryFolder();
  const backend = new SqliteBackend(join(folder.path, 'test.sqlite'));
  const clock = new ManualClock();
  const totals = new Totals(clock);
  const store = async (count: number, status: 'pending' | 'failed'): Promise<void> => {
    const records = Array.from({ length: count }, () => ({
      record: aSession({ status }),
      version: 1000,
      firstVersion: 1000,
    }));
    await backend.write(sessions, records);
  };
  const failed = [{ field: 'status', is: 'equal', value: 'failed' }] as const;
  const all = () => totals.count(backend, sessions, []);

  await store(countedAlways - 1, 'pending');
  await store(10, 'failed');
  expect(await totals.count(backend, sessions, failed)).toBe(10);
  await store(1, 'failed');
  expect(await totals.count(backend, sessions, failed)).toBe(11);

  expect(await all()).toBe(countedAlways + 10);
  await store(5, 'pending');
  expect(await all()).toBe(countedAlways + 10);
  clock.advance(5001);
  expect(await all()).toBe(countedAlways + 10);
  await waitUntil('it was counted again', async () => (await all()) === countedAlways + 15);
  await store(5, 'pending');
  totals.clear();
  expect(await all()).toBe(countedAlways + 20);
  await backend.close();
});

test('an answer that takes long to find is kept for longer, so that finding it takes a tenth of the time at most', async () => {
  const clock = new ManualClock();
  const answers = new KeptAnswers<number>(clock);
  let found = 0;
  const find = async (): Promise<number> => {
    clock.advance(3000);
    found += 1;
    return found;
  };
  expect(await answers.find('total', find)).toBe(1);
  clock.advance(30_000);
  expect(answers.peek('total', find)).toBe(1);
  expect(found).toBe(1);
  clock.advance(1);
  expect(answers.peek('total', find)).toBe(1);
  await waitUntil('it is found again', async () => answers.peek('total', find) === 2);
});
