import { createHash } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Frame } from '../journal/frame.ts';
import { formatInstant, parseInstant } from '../platform/instant.ts';
import { keyOf } from '../storage/collection.ts';
import type { RefusedRecord } from './flush-set.ts';

/** No larger than what is a time. */
const Version = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const common = {
  code: Type.String(),
  reason: Type.String(),
  /** Microseconds since the epoch: when it was accepted. */
  version: Version,
  quarantined_at: Type.String(),
};

/** What the file of a record says. */
const RecordFile = Type.Object({
  collection: Type.String(),
  key: Type.String(),
  /** The key of the record that it belongs to. */
  parent: Type.Union([Type.String(), Type.Null()]),
  ...common,
  first_version: Version,
  retried_at: Type.Optional(Type.String()),
  record: Type.Record(Type.String(), Type.Unknown()),
});
export type RecordFile = Static<typeof RecordFile>;

/** What the file of a journal frame says that could not be read. */
const FrameFile = Type.Object({ type: Type.String(), ...common, payload_base64: Type.String() });
export type FrameFile = Static<typeof FrameFile>;

/** What is known of a file without reading it. */
export interface QuarantineEntry {
  /** The name of the file without its ending; names sort by the time of acceptance. */
  id: string;
  kind: 'record' | 'frame' | 'damaged file';
  /** The record's collection, or the frame's type. */
  collection: string | null;
  key: string | null;
  parent: string | null;
  code: string;
  reason: string;
  version: number;
  quarantinedAtMs: number | undefined;
}

/** The codes of what is no record. */
const unreadableFrameCode = 'UNREADABLE_FRAME';
const damagedFileCode = 'DAMAGED_FILE';

const suffix = '.json';

export const fileNameOf = (id: string): string => id + suffix;

/** The id of a file of the quarantine; undefined for any other name. */
export function idOfFileName(name: string): string | undefined {
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : undefined;
}

/** The file of a record, under an id that is the same whenever the same thing is brought again. */
export function recordFileOf(refused: RefusedRecord, nowMs: number): { id: string; content: RecordFile } {
  const { collection, record, version, firstVersion, code, reason } = refused;
  const key = keyOf(collection, record);
  const { parent } = collection;
  const id = idOf(version, [collection.name, key, version, code, record]);
  const content = {
    collection: collection.name,
    key,
    parent: parent === undefined ? null : String(record[parent.field]),
    code,
    reason,
    version,
    first_version: firstVersion,
    quarantined_at: formatInstant(nowMs),
    record,
  };
  return { id, content };
}

/** The same for a frame. */
export function frameFileOf(
  { type, version, payload }: Pick<Frame, 'type' | 'version' | 'payload'>,
  nowMs: number,
): { id: string; content: FrameFile } {
  const payloadBase64 = Buffer.from(payload).toString('base64');
  const content = {
    type,
    code: unreadableFrameCode,
    reason: 'This version of the service cannot read the journal frame',
    version,
    quarantined_at: formatInstant(nowMs),
    payload_base64: payloadBase64,
  };
  return { id: idOf(version, [type, version, payloadBase64]), content };
}

/** Indented, because people read it. */
export function encodeFile(content: RecordFile | FrameFile): Uint8Array {
  return Buffer.from(`${JSON.stringify(content, null, 2)}\n`);
}

/** @throws Error when these are not the bytes of such a file. */
export function decodeFile(bytes: Uint8Array): RecordFile | FrameFile {
  const content: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
  if (Value.Check(RecordFile, content) || Value.Check(FrameFile, content)) return content;
  throw new Error('It has not the fields that a file of the quarantine has');
}

export function isRecordFile(content: RecordFile | FrameFile): content is RecordFile {
  return 'record' in content;
}

export function entryOf(id: string, content: RecordFile | FrameFile): QuarantineEntry {
  const { code, reason, version } = content;
  const common = { id, code, reason, version, quarantinedAtMs: parseInstant(content.quarantined_at) };
  if (!isRecordFile(content)) {
    return { ...common, kind: 'frame', collection: content.type, key: null, parent: null };
  }
  const { collection, key, parent } = content;
  return { ...common, kind: 'record', collection, key, parent };
}

export function damagedEntryOf(id: string, reason: string): QuarantineEntry {
  return {
    id,
    kind: 'damaged file',
    collection: null,
    key: null,
    parent: null,
    code: damagedFileCode,
    reason,
    version: 0,
    quarantinedAtMs: undefined,
  };
}

function idOf(version: number, identity: readonly unknown[]): string {
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
  return `${String(version).padStart(16, '0')}-${hash}`;
}
