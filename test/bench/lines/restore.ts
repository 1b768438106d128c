import type { Bench, StorageKind } from '../bench.ts';
import { bigSessionId } from '../dataset.ts';
import type { Family, Measurement } from '../line.ts';
import { peakDuring, residentMb } from '../process-usage.ts';

export const restore: Family = {
  name: 'restore',
  measures:
    'POST recovery/restore of the big session, which has a tenth of all stored tasks, all of them pending: the time to the first byte of the body, and by how much the most resident memory during the answer is above that before. The service has answered one restore of a small session before.',
  limit: 'None: the targets are absolute.',
  storages: ['sqlite', 'mysql'],
  run: restoreOnce,
};

async function restoreOnce(bench: Bench, storage: StorageKind): Promise<Measurement[]> {
  const dataset = await bench.dataset(storage);
  await using service = await bench.service(dataset.url);
  await restoreSession(service.url, 'c000000-0000-4000-8000-000000000001');
  const beforeMb = residentMb(service.pid);
  let restored = { firstByteMs: Number.NaN, totalMs: Number.NaN, bytes: 0 };
  const peakMb = await peakDuring(service.pid, async () => {
    restored = await restoreSession(service.url, bigSessionId);
  });
  const tasks = dataset.tasks / 10;
  const note = `${(restored.bytes / 1e6).toFixed(1)} MB in ${(restored.totalMs / 1000).toFixed(1)} s`;
  const what = `restore of ${tasks} unfinished tasks from ${storage}`;
  return [
    {
      name: `restore-${storage}.first-byte`,
      what: `${what}: first byte`,
      value: restored.firstByteMs,
      unit: 'ms',
      targets: [{ of: 'value', atMost: 100 }],
      samples: 1,
      note,
    },
    {
      name: `restore-${storage}.memory`,
      what: `${what}: RSS growth`,
      value: peakMb - beforeMb,
      unit: 'MB',
      targets: [{ of: 'value', atMost: 64 }],
      ciTargets: [{ of: 'value', atMost: 128 }],
      samples: 1,
    },
  ];
}

async function restoreSession(
  url: string,
  id: string,
): Promise<{ firstByteMs: number; totalMs: number; bytes: number }> {
  const startedMs = performance.now();
  const answer = await fetch(`${url}/api/v1/translation/recovery/restore/${id}`, { method: 'POST' });
  if (!answer.ok || answer.body === null) throw new Error(`The restore was answered ${answer.status}`);
  let firstByteMs: number | undefined;
  let bytes = 0;
  for await (const part of answer.body) {
    firstByteMs ??= performance.now() - startedMs;
    bytes += part.length;
  }
  return { firstByteMs: firstByteMs ?? Number.NaN, totalMs: performance.now() - startedMs, bytes };
}
