import { isPermanent } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client, Session } from '../session/index.js';
import { compare, type Key, remove } from '../store/index.js';
import { decodeLeader } from './leader-record.js';

export interface ClearLeaderOptions {
  readonly client: Client;
  readonly leaderKey: Key;
  /** The place that was deleted by somebody else; its key is never used again. */
  readonly place: Key;
  readonly session: Session;
}

/**
 * A place was deleted by somebody, and `leader` may still name it, for as long as its session lives: if nobody wins after
 * it, all who observe would be told for good of a leader that is none. So `leader` goes, but only as long as it says
 * that. Repeats while the store is away; the lease bounds that. A deletion guarded so may be repeated, and come late, so it
 * goes past the exactly-once store, which has to put: in a store without space only deletions go on. Never rejects.
 */
export async function clearLeader({ client, leaderKey, place, session }: ClearLeaderOptions): Promise<void> {
  const { plainStore, runtime } = client;
  const { signal } = session;
  const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
  while (!signal.aborted) {
    try {
      const [kv] = (await plainStore.range({ key: leaderKey }, { signal })).kvs;
      if (kv?.lease !== session.leaseId || decodeLeader(kv)?.record.place !== place) return;
      const own = compare.mod(leaderKey, 'equal', kv.modRevision);
      await plainStore.txn({ compare: [own], success: [remove(leaderKey)], failure: [] }, { signal });
      return;
    } catch (error) {
      if (isPermanent(error)) return;
      await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
