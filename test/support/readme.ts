import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const readme = readFileSync(join(import.meta.dir, '../../README.md'), 'utf8');

/** The first block of shell commands under a heading of the README. */
export function readmeCommands(heading: string): string {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const block = /^```(?:bash|sh)\n([\s\S]*?)^```/m.exec(section ?? '')?.[1];
  if (block === undefined) throw new Error(`The README has no shell block under "## ${heading}"`);
  return block;
}
