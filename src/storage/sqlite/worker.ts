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
  switch (call.method) {
    case 'write':
      return store.write(...call.args);
    case 'existing':
      return store.existing(...call.args);
    case 'query':
      return store.query(...call.args);
    case 'count':
      return store.count(...call.args);
    case 'delete':
      return store.delete(...call.args);
    case 'healthCheck':
      return store.healthCheck();
    case 'close':
      return store.close();
  }
}
