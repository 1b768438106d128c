/**
 * Where a program is that tests need. Debian's package with it is installed when it is missing and we are root.
 * @throws an Error that says why it cannot be installed.
 */
export async function programOf(debianPackage: string, program: string): Promise<string> {
  const installed = find(program);
  if (installed !== null) return installed;
  if (process.getuid?.() !== 0 || Bun.which('apt-get') === null) {
    throw new Error(
      `${program} is not installed, and only root on Debian can install it here (package ${debianPackage})`,
    );
  }
  console.error(`Installing Debian’s package ${debianPackage} for the tests …`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run(['apt-get', 'update', '-qq'], environment).catch(() => {});
  await run(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', debianPackage], environment);
  const found = find(program);
  if (found === null) throw new Error(`Debian’s package ${debianPackage} has no ${program}`);
  return found;
}

/** Runs a program to its end. */
export async function run(
  command: string[],
  env: Record<string, string | undefined> = process.env,
): Promise<void> {
  const child = Bun.spawn(command, { env, stdout: 'ignore', stderr: 'pipe' });
  const errors = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`${command.join(' ')} failed:\n${errors}`);
}

function find(program: string): string | null {
  return Bun.which(program, { PATH: `${process.env.PATH}:/usr/sbin` });
}
