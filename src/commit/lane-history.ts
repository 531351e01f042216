import { isQuorateError, QuorateError } from '../errors.js';
import type { Runtime } from '../runtime/index.js';
import type { Key, KeyValue, Store } from '../store/index.js';
import type { Stopper } from './stopper.js';

export type FirstChange =
  | { readonly type: 'put'; readonly kv: KeyValue }
  | { readonly type: 'delete' }
  /** The store has dropped the part of its history that would tell. */
  | { readonly type: 'compacted'; readonly compactRevision: number }
  /** The store did not tell in time. */
  | { readonly type: 'silent'; readonly error: unknown };

export interface ChangeRequest {
  readonly key: Key;
  readonly revision: number;
  readonly timeoutMs: number;
}

/**
 * The first change after `revision` of a key that existed then, is written at most once after it and may be
 * deleted then, out of the store's history. The change must have happened already. Who deleted the key may have
 * created it again: a later life of the key tells nothing.
 */
export async function firstChangeAfter(
  store: Store,
  runtime: Runtime,
  stopper: Stopper,
  request: ChangeRequest,
): Promise<FirstChange> {
  const change = await watchFrom(store, runtime, stopper, request);
  if (change.type !== 'compacted') return change;
  const revision = change.compactRevision;
  const left = await lookAt(store, stopper, request, revision);
  switch (left.type) {
    case 'unchanged':
      return watchFrom(store, runtime, stopper, { ...request, revision });
    case 'delete':
      // Else the history is gone that would tell whether it was put before.
      return revision === request.revision + 1 ? left : change;
    case 'compacted':
      return change;
    default:
      return left;
  }
}

/** What has become of the key up to `revision`. */
async function lookAt(
  store: Store,
  stopper: Stopper,
  request: ChangeRequest,
  revision: number,
): Promise<FirstChange | { readonly type: 'unchanged' }> {
  const { key, timeoutMs } = request;
  try {
    const { kvs } = await store.range({ key, revision }, { timeoutMs, signal: stopper.signal });
    const [kv] = kvs;
    if (kv === undefined || kv.createRevision > request.revision) return { type: 'delete' };
    return kv.modRevision > request.revision ? { type: 'put', kv } : { type: 'unchanged' };
  } catch (error) {
    if (isQuorateError(error, 'compacted')) return { type: 'compacted', compactRevision: revision };
    return { type: 'silent', error };
  }
}

async function watchFrom(
  store: Store,
  runtime: Runtime,
  stopper: Stopper,
  request: ChangeRequest,
): Promise<FirstChange> {
  const watch = store.watch({ key: request.key, fromRevision: request.revision + 1 });
  const close = () => watch.close();
  const timer = runtime.setTimer(request.timeoutMs, close, { background: true });
  stopper.signal.addEventListener('abort', close, { once: true });
  let error: unknown = new QuorateError('timeout', `no history of a lane within ${request.timeoutMs} ms`);
  try {
    for await (const item of watch) {
      if (item.type === 'compacted') return { type: 'compacted', compactRevision: item.compactRevision };
      if (item.type === 'interrupted') error = item.error;
      const event = item.type === 'events' ? item.events[0] : undefined;
      if (event !== undefined)
        return event.type === 'put' ? { type: 'put', kv: event.kv } : { type: 'delete' };
    }
  } catch (failure) {
    error = failure;
  } finally {
    timer.cancel();
    stopper.signal.removeEventListener('abort', close);
    watch.close();
  }
  return { type: 'silent', error };
}
