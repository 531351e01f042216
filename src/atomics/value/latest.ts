import type { Payloads } from '../../payload/index.js';
import { conflated, type Fact, type FactFollower } from '../../watch/index.js';
import { readableOf } from './reading.js';
import type { ValueView } from './types.js';

/** What a follower of the key tells, conflated, until the signal fires. Throws what the follower fails with. */
export async function* latestOf<T>(
  follower: FactFollower,
  payloads: Payloads<T>,
  end: AbortSignal,
): AsyncGenerator<ValueView<T>, void, void> {
  const viewOf = (fact: Fact) => fact;
  // What was written over while it was decoded is told all the same: it was the newest when it was taken.
  for await (const fact of conflated({ follower, viewOf, isSame, end })) yield await decoded(payloads, fact);
}

async function decoded<T>(payloads: Payloads<T>, fact: Fact): Promise<ValueView<T>> {
  if (fact.status === 'absent') return fact;
  if (fact.status === 'unknown') return { status: 'unknown' };
  const read = await readableOf(payloads, fact.kv);
  return 'error' in read ? { status: 'unreadable', ...read } : { status: 'present', ...read };
}

/** A key that is absent, and was before, has not changed, though it was read at another revision. */
function isSame(told: Fact, fact: Fact): boolean {
  if (told.status !== 'present' || fact.status !== 'present') return told.status === fact.status;
  return told.kv.modRevision === fact.kv.modRevision;
}
