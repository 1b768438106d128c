// The limit of replaying a journal: reads each of its files once and adds up a checksum of its bytes.
// Usage: read-journal.ts FOLDER

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '.'] = process.argv.slice(2);
const startedMs = performance.now();
let bytes = 0;
for (const name of readdirSync(folder).filter((each) => each.endsWith('.journal'))) {
  const content = readFileSync(join(folder, name));
  Bun.hash.crc32(content);
  bytes += content.length;
}
console.log(JSON.stringify({ seconds: (performance.now() - startedMs) / 1000, bytes }));
