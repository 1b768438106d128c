/** Writes a migration for each SQL plugin whose schema has changed. Usage: npm run generate -- NAME */
const [name] = process.argv.slice(2);
if (name === undefined) {
  console.error('Give the migration a name: npm run generate -- add_soft_delete');
  process.exit(2);
}

for (const plugin of ['mysql', 'sqlite']) {
  const generate = Bun.spawnSync([process.execPath, 'x', 'drizzle-kit', 'generate', '--name', name], {
    env: { ...process.env, DRIZZLE_PLUGIN: plugin },
    stdout: 'inherit',
    stderr: 'inherit',
  });
  if (generate.exitCode !== 0) process.exit(generate.exitCode);
}

export {};
