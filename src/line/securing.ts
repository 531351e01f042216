/**
 * Lock-delay: the place of who holds goes a while after the session that it was held by, those of who waits with their
 * session.
 *
 * **Keys.** None of its own. The place of who has the turn is on the delay lease, which outlasts the session's by the delay
 * at least (see session/delay-lease.ts); the place of who waits is on the session's lease.
 *
 * **Transactions.**
 * - join: `IF anchor stands THEN {IF create(line) = 0 THEN put k (delay lease) ELSE put k (session's lease)}, range line`: one
 *   request, and the lease of k in what the range shows tells which. Step back: `create(line) = c`, c the old key's, which
 *   stands alone then.
 * - secure, once the turn has come and before anything is granted: `IF mod(k) = m, create(line) > c - 1, anchor stands THEN
 *   put k (as it is, delay lease) ELSE get k`. The place keeps its rank; that write is the proof of its turn, and guards it
 *   from there on.
 *
 * **Who waits for what.** Whoever waits for a key waits for it until it goes: the place of a dead holder with the delay lease,
 * so no clock of a client says when the next one's turn is. Release, step back and hand-over are what they always are, and
 * know of no delay: they delete the key, or put it on the lease of the one who is handed it, who then secures it. The
 * sentinel and a grant by name (see grant.ts) stay on leases of sessions: a sentinel that goes with a dead holder's session
 * before its key does has those who wait look at the line, find the key, and watch the line from then on. Who is named in a
 * grant waits, so its key is what the grantor compares; it is secured only after that.
 *
 * **Lost replies.** Secure is guarded by what it overwrites, so it may be sent again; refused, what it reads tells: on the
 * delay lease, an attempt has done it. **Session or delay lease lost:** the place is lost, and goes with the delay lease, if it
 * was secured or a request that may have secured it was under way. **Died between turn and secure:** nothing was granted,
 * and the place goes with the session. **Delay lease deleted by somebody:** a join or secure is refused, and it is opened anew.
 */
import { isQuorateError, QuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client, DelayLease, Session } from '../session/index.js';
import { compare, get, type Key, type KeyRange, nested, type Op, type PutOp, put } from '../store/index.js';
import type { Place } from './place.js';

/** Puts a place on the delay lease if nobody stands in the line, or `instead` alone, and else on the session's. */
export function putWhereDue(
  key: Key,
  value: Uint8Array,
  on: {
    readonly session: Session;
    readonly delay: DelayLease;
    readonly range: KeyRange;
    readonly instead: Place | undefined;
  },
): Op {
  return nested({
    compare: [compare.create(on.range, 'equal', on.instead?.revision ?? 0)],
    success: [put(key, value, { lease: on.delay.leaseId })],
    failure: [put(key, value, { lease: on.session.leaseId })],
  });
}

/** Takes a place that may come to stand on the delay lease. As `take` answers or rejects. */
export async function takeOn(
  delay: DelayLease,
  take: () => Promise<readonly Place[] | undefined>,
): Promise<readonly Place[] | undefined> {
  const free = delay.occupy();
  try {
    const places = await take();
    const [place] = places ?? [];
    if (place?.leaseAtFirst === delay.leaseId) standOn(place, delay, free);
    else free();
    return places;
  } catch (error) {
    if (isDefinite(error)) free();
    await verifyIfGone(delay, error);
    throw error;
  }
}

export interface Securing {
  readonly client: Client;
  readonly range: KeyRange;
  readonly place: Place;
  readonly delay: DelayLease;
}

/**
 * Puts a place whose turn has come on the delay lease. True if it stands there: its state has the proof. False if it was gone.
 * Goes on until the outcome is known, as long as the session lives; the place must not be left meanwhile. Rejects with
 * failures after which nothing was done.
 */
export async function secure({ client, range, place, delay }: Securing): Promise<boolean> {
  const { session } = place;
  const [claim] = place.claims;
  if (claim === undefined || place.state.status !== 'admitted') return false;
  const asItIs: PutOp = {
    ...{ type: 'put', key: claim.key, value: new Uint8Array(), ignoreValue: true, lease: delay.leaseId },
  };
  const request = {
    compare: [...place.guards(), compare.create(range, 'greater', place.revision - 1), session.guard()],
    success: [asItIs],
    failure: [get(claim.key, { keysOnly: true })],
  };
  const free = delay.occupy();
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  let mayBeDone = false;
  for (;;) {
    if (isGone(place)) {
      if (!mayBeDone) free();
      return false;
    }
    try {
      const { succeeded, revision, replies } = await client.store.txn(request, {
        signal: session.signal,
        timeoutMs: Number.POSITIVE_INFINITY,
      });
      const [reply] = replies;
      const kv = reply?.type === 'range' ? reply.kvs[0] : undefined;
      const isDone = succeeded || (kv?.createRevision === claim.created && kv.lease === delay.leaseId);
      if (isDone) {
        standOn(place, delay, free, kv?.modRevision ?? revision);
        return !isGone(place);
      }
      free();
      if (kv?.createRevision !== claim.created) {
        place.deleted(revision);
        return false;
      }
      await session.verify({ signal: session.signal });
      throw new QuorateError('hold-lost', 'the place was not the oldest when it was to be secured');
    } catch (error) {
      if (isDefinite(error) && !mayBeDone) {
        free();
        await verifyIfGone(delay, error);
        throw error;
      }
      if (isQuorateError(error, 'closed')) throw error;
      mayBeDone = true;
      await sleep(client.runtime, backoff.nextMs(), { signal: session.signal }).catch(() => {});
    }
  }
}

/** The delay lease is in use by it until its key is certainly gone from there. */
function standOn(place: Place, delay: DelayLease, free: () => void, proof?: number): void {
  place.standOn(delay, proof);
  place.onGone(({ code }) => {
    if (code === 'hold-lost') free();
  });
}

function isGone({ state }: Place): boolean {
  return state.status === 'gone';
}

/** Nothing was done, and nothing is under way any more. A session that is lost leaves open what became of its requests. */
function isDefinite(error: unknown): boolean {
  if (!isQuorateError(error) || error.outcome === 'unknown') return false;
  return error.code !== 'session-lost' && error.code !== 'closed' && error.code !== 'aborted';
}

async function verifyIfGone(delay: DelayLease, error: unknown): Promise<void> {
  if (isQuorateError(error, 'lease-not-found')) await delay.verify().catch(() => {});
}
