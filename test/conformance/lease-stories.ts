/** What is asked of leases as a whole story, because each part depends on the time that passed since the one before. */
import { setTimeout as delay } from 'node:timers/promises';
import { put, type Store, txnOf } from '../../src/store/index.js';
import { type Answer, answered, answerOf, plain } from './answers.js';
import type { Step } from './steps.js';

export type BriefLease = Extract<Step, { readonly call: 'briefLease' }>;
export type Expiry = Extract<Step, { readonly call: 'expiry' }>;

/** A brief lease that took longer may have run out by itself. */
export const tooSlowMs = 1_000;

const shortestTtlMs = 2_000;
/** A store may round its clock, no more. */
const clockSlackMs = 50;
const longestWaitMs = 15_000;

/** Grants, looks at and revokes a lease. Which id the server chose is left out: etcd draws it at random. */
export function briefLife(store: Store, { id, ttlSeconds }: BriefLease): Promise<Answer> {
  return answered(async () => {
    const granted = await store.leaseGrant({ id, ttlSeconds });
    const state = await store.leaseTimeToLive(granted.id, { keys: true });
    await store.leaseRevoke(granted.id);
    const idIsRight = id === '0' ? /^[1-9]\d*$/.test(granted.id) : granted.id === id;
    const after = await store.leaseTimeToLive(granted.id);
    return plain({
      idIsRight,
      ttlSeconds: granted.ttlSeconds,
      grantedTtlSeconds: state.grantedTtlSeconds,
      alive: state.remainingSeconds >= 0 && state.remainingSeconds <= granted.ttlSeconds,
      keys: state.keys,
      after: { ...after, id: '' },
    });
  });
}

/** Lets a lease with keys run out, and asks for it afterwards in every way there is. */
export async function runOut(store: Store, { id, keys }: Expiry): Promise<Answer> {
  const answers: unknown[] = [];
  const ask = async (step: Parameters<typeof answerOf>[1]) => answers.push(await answerOf(store, step));
  const leased = txnOf({ success: keys.map((key, index) => put(key, String(index), { lease: id })) });
  const startedMs = performance.now();
  await ask({ call: 'grant', id, ttlSeconds: 1 });
  await ask({ call: 'txn', request: leased });
  await ask({ call: 'timeToLive', id, keys: true });
  const key = keys[0] ?? '';
  while ((await store.range({ key })).kvs[0]?.lease === id) {
    if (performance.now() - startedMs > longestWaitMs) return { reply: { answers, neverEnded: true } };
    await delay(20);
  }
  const early = performance.now() - startedMs < shortestTtlMs - clockSlackMs;
  await ask({ call: 'timeToLive', id, keys: true });
  await ask({ call: 'keepAlive', id });
  await ask({ call: 'revoke', id });
  await ask({ call: 'txn', request: leased });
  for (const each of keys) await ask({ call: 'range', request: { key: each } });
  return { reply: plain({ answers, early }) };
}
