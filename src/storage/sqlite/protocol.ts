import type { Remedy } from '../contract.ts';
import type { SqliteStore } from './store.ts';

type StoreMethod = Exclude<keyof SqliteStore, 'checkFile'>;

/** What each call takes and gives. */
export type StoreCalls = {
  [Method in StoreMethod]: { args: Parameters<SqliteStore[Method]>; value: ReturnType<SqliteStore[Method]> };
} & { open: { args: ConstructorParameters<typeof SqliteStore>; value: undefined } };

/** A message to the thread. */
export type StoreCall = {
  [Method in keyof StoreCalls]: { id: number; method: Method; args: StoreCalls[Method]['args'] };
}[keyof StoreCalls];

/** Its answer. */
export type StoreReply =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; error: { remedy: Remedy; code: string; message: string } };
