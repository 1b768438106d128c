import { parseCommandLine } from './cli/arguments.ts';
import { helpText } from './cli/help.ts';
import { journal } from './cli/journal.ts';
import { migrate } from './cli/migrate.ts';
import { serve } from './cli/serve.ts';
import { ConfigError, loadConfig } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { serviceVersion } from './platform/version.ts';
import { createStorage, startService } from './start.ts';

const usageError = 2;

process.exit(await main(process.argv.slice(2)));

async function main(args: readonly string[]): Promise<number> {
  const invocation = parseCommandLine(args);
  switch (invocation.run) {
    case 'help':
      process.stdout.write(helpText);
      return 0;
    case 'version':
      console.log(serviceVersion);
      return 0;
    case 'usage-error':
      console.error(`${invocation.message}\nTry: persistence-service --help`);
      return usageError;
    case 'serve':
      return await withConfig(invocation.flags, (config) => serve(config, startService));
    case 'migrate':
      return await withConfig(invocation.flags, async (config) =>
        migrate((await createStorage(config)).backends),
      );
    case 'journal':
      return await withConfig(invocation.flags, ({ service }) => journal(service.data_dir, invocation));
  }
}

async function withConfig(
  flags: Record<string, string>,
  run: (config: Config) => Promise<number>,
): Promise<number> {
  try {
    return await run(loadConfig({ flags, environment: process.env }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return usageError;
  }
}
