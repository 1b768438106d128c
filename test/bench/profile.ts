import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startServiceProcess } from '../support/service-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { parkedFlusher } from './bench.ts';
import { circumstances, markdownTable, writeSection } from './document.ts';
import { connections, prepare, repeatedBatches } from './lines/accept-durable.ts';
import { fullLoad } from './load/load.ts';
import { machine, revisionOf } from './report.ts';

const seconds = 5;
const placesShown = 20;

/** A profile as the runtime writes it, in the format of Chromium's developer tools. */
interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  samples: number[];
}

/**
 * Runs the source of the service under the load of accept-durable with the runtime's profiler and writes where the
 * time of the main thread goes.
 */
export async function writeProfile(checkout: string): Promise<void> {
  const before = machine();
  using folder = temporaryFolder();
  const service = await startServiceProcess({
    dataDir: join(folder.path, 'data'),
    environment: { ...parkedFlusher, NODE_ENV: 'production' },
    command: [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder.path}`, join(checkout, 'src/main.ts')],
  });
  try {
    await prepare(service.url);
    await fullLoad(service.url, { connections, seconds, requests: repeatedBatches() });
  } finally {
    await service.kill('SIGTERM');
  }
  const file = readdirSync(folder.path).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error(`The service left no profile:\n${service.log()}`);
  const profile = JSON.parse(readFileSync(join(folder.path, file), 'utf8')) as Profile;
  const table = markdownTable([['function', 'share of the time'], ...shares(profile, checkout)]);
  writeSection(checkout, 'profile', `${circumstances(revisionOf(checkout), before, null)}\n\n${table}`);
  console.log(table);
}

/** The functions with the most samples of their own. */
function shares({ nodes, samples }: Profile, checkout: string): string[][] {
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame, checkout)]));
  const counts = new Map<string, number>();
  for (const id of samples) {
    const place = places.get(id) ?? 'unknown';
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const most = [...counts].toSorted(([, one], [, other]) => other - one).slice(0, placesShown);
  return most.map(([place, count]) => [place, `${((count / samples.length) * 100).toFixed(1)} %`]);
}

function placeOf({ functionName, url }: Profile['nodes'][number]['callFrame'], checkout: string): string {
  const file = url
    .replace('file://', '')
    .replace(`${checkout}/`, '')
    .replace(/^.*node_modules\//, '');
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` in ${file}`}`;
}
