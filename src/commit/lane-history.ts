import { QuorateError } from '../errors.js';
import type { Runtime } from '../runtime/index.js';
import type { Key, KeyEvent, Store } from '../store/index.js';
import type { Stopper } from './stopper.js';

export type FirstChange =
  | { readonly type: 'event'; readonly event: KeyEvent }
  /** The store has dropped the part of its history that would tell. */
  | { readonly type: 'compacted'; readonly compactRevision: number }
  /** Nothing was heard in time. */
  | { readonly type: 'silent'; readonly error: unknown };

/** The first change of a key after a revision, out of the store's history. The change must have happened already. */
export async function firstChangeAfter(
  store: Store,
  runtime: Runtime,
  stopper: Stopper,
  request: { readonly key: Key; readonly revision: number; readonly timeoutMs: number },
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
      if (event !== undefined) return { type: 'event', event };
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
