import { sqliteError } from './errors.ts';
import type { StoreCall, StoreReply } from './protocol.ts';
import { SqliteStore } from './store.ts';

/** The thread of one `SqliteStore`: calls come in as messages, and are answered in order. */
declare const self: Worker;

let store: SqliteStore | undefined;

self.onmessage = ({ data }: MessageEvent<StoreCall>) => {
  self.postMessage(answer(data));
};

function answer(call: StoreCall): StoreReply {
  try {
    return { id: call.id, ok: true, value: perform(call) };
  } catch (thrown) {
    const { remedy, code, message } = sqliteError(thrown);
    return { id: call.id, ok: false, error: { remedy, code, message } };
  }
}

function perform(call: StoreCall): unknown {
  if (call.method === 'open') {
    store?.close();
    store = new SqliteStore(...call.args);
    return undefined;
  }
  if (store === undefined) throw new Error('The store is not open.');
  if (call.method !== 'close') store.checkFile();
  const method = store[call.method] as (...args: readonly unknown[]) => unknown;
  return method.apply(store, call.args);
}
