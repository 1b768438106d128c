import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const readme = readFileSync(join(import.meta.dir, '../../README.md'), 'utf8');

/** The first block of a language under a heading of the README. */
export function readmeBlock(heading: string, language: 'bash' | 'json'): string {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const block = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(section ?? '')?.[1];
  if (block === undefined) throw new Error(`The README has no ${language} block under "## ${heading}"`);
  return block;
}
