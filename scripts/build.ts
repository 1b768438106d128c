/**
 * Builds dist/persistence-service: one file that holds the runtime, the code, the SQLite thread and the
 * migrations.
 *
 * Identifiers stay as they are and `--production` is not used: Elysia reads the source of handlers. NODE_ENV is set
 * here because the compiler would write "development" into the code.
 */
const outfile = 'dist/persistence-service';

const command = [
  process.execPath,
  'build',
  '--compile',
  '--minify-whitespace',
  '--minify-syntax',
  '--sourcemap',
  '--bytecode',
  '--format=esm',
  '--define',
  'process.env.NODE_ENV="production"',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  '--asset=drizzle',
  'src/main.ts',
  'src/storage/sqlite/worker.ts',
  `--outfile=${outfile}`,
];

const build = Bun.spawnSync(command, { stdout: 'inherit', stderr: 'inherit' });
if (build.exitCode !== 0) process.exit(build.exitCode);
console.log(`${outfile}: ${Math.round(Bun.file(outfile).size / 1024 / 1024)} MiB`);

export {};
