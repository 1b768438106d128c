import { defineConfig } from 'drizzle-kit';

/** Drizzle generates for one database at a time: `bun run generate` calls it once for each plugin. */
const plugin = process.env.DRIZZLE_PLUGIN === 'sqlite' ? 'sqlite' : 'mysql';

export default defineConfig({
  dialect: plugin,
  schema: `./src/storage/${plugin}/schema.ts`,
  out: `./drizzle/${plugin}`,
});
