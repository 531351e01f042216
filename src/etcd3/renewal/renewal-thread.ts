/** The module that the renewing thread runs: connects, and renews what it is told to. */
import { systemRuntime } from '../../runtime/index.js';
import { ownThread, sharedMonotonicMs } from '../../runtime/thread.js';
import { openEtcd3Store } from '../open.js';
import type { Etcd3StoreOptions } from '../options.js';
import { LifeSign } from './life-sign.js';
import {
  type FromRenewalThread,
  plainError,
  type RenewalThreadData,
  type ToRenewalThread,
} from './messages.js';
import { RenewalService } from './renewal-service.js';

const thread = ownThread();
const { options, lifeSign, longestStallMs } = thread.data as RenewalThreadData;
const post = (message: FromRenewalThread) => thread.post(message);

try {
  const store = await openEtcd3Store(withBuffers(options));
  const service = new RenewalService({
    ...{ store, runtime: systemRuntime, sharedMs: sharedMonotonicMs, longestStallMs, post },
    lifeSign: new LifeSign(lifeSign),
  });
  thread.onMessage((message) => service.handle(message as ToRenewalThread));
  post({ type: 'ready' });
} catch (error) {
  post({ type: 'refused', cause: plainError(error) });
}

/** On the way between threads a buffer becomes a mere array of bytes. */
function withBuffers(plain: Etcd3StoreOptions): Etcd3StoreOptions {
  if (plain.credentials === undefined) return plain;
  const parts = Object.entries(plain.credentials).map(([name, part]) => [
    name,
    ArrayBuffer.isView(part) ? Buffer.from(part.buffer, part.byteOffset, part.byteLength) : part,
  ]);
  const credentials = Object.fromEntries(parts) as NonNullable<Etcd3StoreOptions['credentials']>;
  return { ...plain, credentials };
}
