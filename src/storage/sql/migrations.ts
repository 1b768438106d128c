import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The folder of a plugin's generated migrations. It lies at the root of the source tree, and at the root of the
 * binary's own file system; a module of either finds it by going up.
 */
export function migrationsFolder(plugin: 'mysql' | 'sqlite'): string {
  for (let folder = import.meta.dir; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'drizzle', plugin);
    if (existsSync(join(candidate, 'meta/_journal.json'))) return candidate;
  }
  throw new Error(`The migrations of ${plugin} are missing from this build.`);
}
