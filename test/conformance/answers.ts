import { isQuorateError } from '../../src/errors.js';
import type { Store } from '../../src/store/index.js';
import type { Step } from './steps.js';

/** What a call answered, in a form in which the answers of several stores can be compared. */
export type Answer = { readonly reply: unknown } | { readonly refused: string };

/** A step that is one call of a store. */
export type StoreCall = Extract<
  Step,
  { readonly call: 'txn' | 'range' | 'grant' | 'revoke' | 'keepAlive' | 'timeToLive' | 'compact' }
>;

/** Makes the call, and puts its answer into a form that does not depend on the store. */
export function answerOf(store: Store, step: StoreCall): Promise<Answer> {
  return answered(() => applied(store, step));
}

/** The reply, or the code and outcome with which the call was refused. */
export async function answered(call: () => Promise<unknown>): Promise<Answer> {
  try {
    return { reply: plain(await call()) };
  } catch (error) {
    if (isQuorateError(error)) return { refused: `${error.code} (${error.outcome})` };
    throw error;
  }
}

async function applied(store: Store, step: StoreCall): Promise<unknown> {
  switch (step.call) {
    case 'txn':
      return store.txn(step.request);
    case 'range':
      return store.range(step.request);
    case 'grant':
      return store.leaseGrant(step);
    case 'revoke':
      return store.leaseRevoke(step.id);
    case 'keepAlive':
      return store.leaseKeepAlive(step.id);
    case 'timeToLive': {
      const state = await store.leaseTimeToLive(step.id, { keys: step.keys });
      // How much is left depends on when the server was asked, and etcd gives the keys in no order.
      return { ...state, keys: [...state.keys].sort(), remainingSeconds: Math.sign(state.remainingSeconds) };
    }
    case 'compact':
      return store.compact(step.revision);
  }
}

/** Bytes as text, whatever kind of array holds them; fields that are undefined are left out. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('latin1')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (inner === undefined ? [] : [[name, plain(inner)]])),
  );
}
