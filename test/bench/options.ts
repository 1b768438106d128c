import { parseArgs } from 'node:util';
import { type StorageKind, storageKinds } from './bench.ts';
import { families } from './families.ts';
import type { Form } from './sizes.ts';

export interface Options {
  form: Form;
  only: readonly string[];
  storages: readonly StorageKind[];
  /** Where databases are kept for later runs. */
  dataFolder: string | undefined;
  resultsFile: string;
  compareWith: string | undefined;
  growth: readonly number[] | undefined;
  profile: boolean;
  /** Results of runs that the table is made of. */
  table: readonly string[] | undefined;
  ci: boolean;
}

const growthSizes = '10000,100000,1000000,5000000';

export const usage = `Usage: npm run bench -- [OPTION]...

  --quick            a form that takes less than a minute
  --tiny             a form that only shows that everything runs
  --only NAME,...    only these: ${families.map(({ name }) => name).join(', ')}
  --storage NAME     only what runs on sqlite or mysql
  --data DIR         keep the databases that are read from for later runs: SQLite's in DIR, MySQL's on its server
  --results FILE     where the figures go (bench-results.json)
  --compare REV      run another revision as well, in turn, and print ratios
  --growth           how cost grows with what is stored: writes docs/performance.md and docs/performance.svg
  --sizes N,...      stored tasks for --growth (${growthSizes})
  --profile          where the time of accepting goes: writes docs/performance.md
  --table FILE,...   the medians of the results of several runs: writes docs/performance.md
  --ci               fail on a bound that a busy machine does not break

MySQL is the server at BENCH_MYSQL_URL, or else at TEST_MYSQL9_URL, or else a MariaDB of the benchmark's own.`;

/** @throws an Error that says what is wrong with the arguments. */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      tiny: { type: 'boolean', default: false },
      only: { type: 'string' },
      storage: { type: 'string' },
      data: { type: 'string' },
      results: { type: 'string', default: 'bench-results.json' },
      compare: { type: 'string' },
      growth: { type: 'boolean', default: false },
      sizes: { type: 'string', default: growthSizes },
      profile: { type: 'boolean', default: false },
      table: { type: 'string' },
      ci: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const only = words(values.only);
  const unknown = only.filter((name) => !families.some((family) => family.name === name));
  if (unknown.length > 0) throw new Error(`Nothing is called ${unknown.join(', ')}`);
  const storages = storageKinds.filter((kind) => values.storage === undefined || kind === values.storage);
  if (storages.length === 0) throw new Error(`No storage is called ${values.storage}`);
  return {
    form: values.tiny ? 'tiny' : values.quick ? 'quick' : 'full',
    only,
    storages,
    dataFolder: values.data,
    resultsFile: values.results,
    compareWith: values.compare,
    growth: values.growth ? words(values.sizes).map(Number) : undefined,
    profile: values.profile,
    table: values.table === undefined ? undefined : words(values.table),
    ci: values.ci,
  };
}

function words(list: string | undefined): string[] {
  return list === undefined ? [] : list.split(',').filter((word) => word !== '');
}
