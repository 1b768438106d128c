import type { Frame } from '../journal/frame.ts';
import { openSegments } from '../journal/recovery.ts';
import { firstSequenceOf } from '../journal/segment.ts';
import type { DurableFiles } from '../platform/durable-files.ts';
import { describeError } from '../platform/errors.ts';
import type { Logger } from '../platform/logger.ts';
import type { GivenRecord } from '../storage/collection.ts';
import type { StorageRegistry } from '../storage/registry.ts';
import { type FrameFile, frameFileOf, type RecordFile, recordFileOf } from './quarantine-file.ts';

interface ImportParts {
  files: DurableFiles;
  logger: Logger;
  registry: StorageRegistry;
}

/**
 * Makes files of the journal in which earlier versions kept the quarantine, and deletes it once they are on disk. A
 * fault leaves the journal as it is, for the next start.
 */
export async function importJournal(
  folder: string,
  { files, logger, registry }: ImportParts,
  keep: (id: string, content: RecordFile | FrameFile) => Promise<void>,
): Promise<void> {
  const names = await files.list(folder);
  if (!names.some((name) => firstSequenceOf(name) !== undefined)) return;
  try {
    const frames: Frame[] = [];
    const { segments } = await openSegments(folder, { files, logger }, (frame) => frames.push(frame));
    for (const frame of frames) {
      const { id, content } = fileOf(frame, registry);
      await keep(id, content);
    }
    for (const { path } of segments) await files.remove(path);
    await files.syncFolder(folder);
    logger.info('The quarantine of an earlier version was taken over', { records: frames.length });
  } catch (error) {
    logger.error('The quarantine of an earlier version is not taken over yet; the next start tries again', {
      folder,
      error: describeError(error),
    });
  }
}

/** What `Quarantine.add` of the earlier version wrote, besides the record. */
interface JournaledEntry {
  code: string;
  reason: string;
  version: number;
  first_version: number;
  record: GivenRecord;
}

function fileOf(frame: Frame, registry: StorageRegistry): { id: string; content: RecordFile | FrameFile } {
  const quarantinedAtMs = Math.floor(frame.version / 1000);
  const collection = registry.collection(frame.type);
  const entry = journaledEntryOf(frame.payload);
  if (collection === undefined || entry === undefined) return frameFileOf(frame, quarantinedAtMs);
  const { code, reason, version, first_version: firstVersion, record } = entry;
  return recordFileOf({ collection, code, reason, version, firstVersion, record }, quarantinedAtMs);
}

function journaledEntryOf(payload: Uint8Array): JournaledEntry | undefined {
  try {
    const entry = JSON.parse(Buffer.from(payload).toString('utf8')) as JournaledEntry | null;
    return typeof entry?.code === 'string' && typeof entry.version === 'number' ? entry : undefined;
  } catch {
    return undefined;
  }
}
