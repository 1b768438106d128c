import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from './report.ts';

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->` in docs/performance.md. */
export function writeSection(checkout: string, name: string, text: string): void {
  const path = join(checkout, 'docs/performance.md');
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const document = readFileSync(path, 'utf8');
  const [start, end] = [document.indexOf(open), document.indexOf(close)];
  if (start === -1 || end < start) throw new Error(`${path} has no ${open} … ${close}`);
  writeFileSync(path, `${document.slice(0, start)}${open}\n\n${text}\n\n${document.slice(end)}`);
}

export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [names = [], ...others] = rows;
  const text = (row: readonly string[]): string =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    text(names),
    text(names.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...others.map(text),
  ].join('\n');
}

/** When and where figures were measured. */
export function circumstances(
  revision: string,
  { processor, processors, memory_bytes, load_average, processor_share }: Machine,
  mysql: Record<string, string> | null,
  date = new Date().toISOString(),
): string {
  const server =
    mysql === null
      ? ''
      : ` MySQL: ${mysql.version}, with a buffer pool of ${Math.round(Number(mysql.innodb_buffer_pool_size) / 2 ** 20)} MiB.`;
  return `Measured on ${date.slice(0, 10)} at ${revision}, on ${processors} processors (${processor}) and ${Math.round(memory_bytes / 2 ** 30)} GiB, with a load average of ${load_average.toFixed(1)} before the run, when a busy program got ${Math.round(processor_share * 100)} % of a processor.${server}`;
}
