import { isPermanent } from '../../errors.js';
import { type Line, type Place, readLine } from '../../line/index.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { lookAtWaiters, moveFirst, moveOf } from './waiters.js';

export interface PassOn {
  readonly client: Client;
  /** Of the lock. */
  readonly line: Line;
  readonly waiters: Line;
  /** That of one who was notified and wants it no more. Nobody follows it. */
  readonly place: Place;
}

/**
 * Gives up a place that was come by through a notification, and notifies another in its stead, in one transaction:
 * `IF the place stands & mod(cv/w) = x & create(l/w) = 0 THEN delete the place, delete cv/w, put l/w`. If nobody waits the place
 * is just given up. Resolves once it is certainly gone, or its session is over. Never rejects. In a store that is out of space,
 * which nobody can be notified by, it stands until there is space again: a notification is not to be lost.
 */
export async function passOn({ client, line, waiters, place }: PassOn): Promise<void> {
  const { signal } = place.session;
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  const stands = () => place.state.status !== 'gone';
  const look = async () =>
    stands() ? (await client.store.range(lookAtWaiters(waiters), { signal })).kvs : [];
  while (stands()) {
    try {
      const { claims } = place;
      const isAnother = () => place.claims !== claims;
      await moveFirst(look, async (waiter) => {
        const move = moveOf(waiter, waiters, line);
        const { succeeded } = await client.store.txn(
          {
            compare: [...place.guards(), ...move.compare],
            success: [...line.deletions(place), ...move.ops],
            failure: [],
          },
          { signal, timeoutMs: Number.POSITIVE_INFINITY },
        );
        if (succeeded) line.given(place);
        else await lookAfter(client, line, place);
        return succeeded || !stands() || isAnother();
      });
      // It was handed the turn of another meanwhile, and refused for that: they are all tried again, in order.
      if (isAnother()) continue;
      break;
    } catch (error) {
      if (isPermanent(error)) break;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
      await lookAfter(client, line, place);
    }
  }
  await line.leave(place);
}

/** Whether it is still there, or was deleted, or handed the turn of another. */
async function lookAfter(client: Client, line: Line, place: Place): Promise<void> {
  const look = { signal: place.session.signal, values: true };
  const seen = await readLine(client, line.range, look).catch(() => undefined);
  if (seen !== undefined) place.see(new Map(seen.kvs.map((kv) => [kv.key, kv])), seen.revision, true);
}
