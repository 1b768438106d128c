import { join } from 'node:path';

/** The folder of a plugin's generated migrations: inside the binary, or in the source tree. */
export function migrationsFolder(plugin: 'mysql' | 'sqlite'): string {
  const root = Bun.isStandaloneExecutable ? import.meta.dir : join(import.meta.dir, '../../..');
  return join(root, 'drizzle', plugin);
}
