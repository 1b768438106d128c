import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { DurableFiles } from '../platform/durable-files.ts';
import type { Position } from './frame.ts';

/** Up to where storage has everything, as a file says it. */
export interface Checkpoint {
  /** Undefined when no file says it. */
  position: Position | undefined;
  /** There is a file that cannot be read. */
  damaged: boolean;
}

const checkpointName = 'checkpoint';

/** Reads the checkpoint of a journal's folder. */
export async function readCheckpoint(
  files: Pick<DurableFiles, 'list' | 'read'>,
  folder: string,
): Promise<Checkpoint> {
  if (!(await files.list(folder)).includes(checkpointName)) return { position: undefined, damaged: false };
  const text = Buffer.from(await files.read(join(folder, checkpointName)))
    .toString('utf8')
    .trim();
  const json = text.slice(9);
  if (text.slice(0, 8) !== checksum(json)) return { position: undefined, damaged: true };
  return { position: JSON.parse(json) as Position, damaged: false };
}

/** Writes the checkpoint, durably: `<crc32 in hex> <json>`. */
export async function writeCheckpoint(
  files: DurableFiles,
  folder: string,
  checkpoint: Position,
): Promise<void> {
  const json = JSON.stringify(checkpoint);
  await files.replace(join(folder, checkpointName), Buffer.from(`${checksum(json)} ${json}\n`));
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
