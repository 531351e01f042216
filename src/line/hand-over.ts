import { isPassingRead, isQuorateError, QuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { compare, get, type KeyValue, type Op, put, remove } from '../store/index.js';
import type { FencedWrites } from './fenced-writes.js';
import type { Line } from './line.js';
import { type Claimant, findWaiting, viewLine } from './line-view.js';
import type { Place } from './place.js';
import { decodePlace, encodePlace } from './place-record.js';

export interface HandOver {
  readonly client: Client;
  /** Whose turn it is. Nothing may be written under its guard any more. */
  readonly from: Place;
  /** The key of the place that waits, as it was read. */
  readonly to: KeyValue;
  /** Done in the same transaction. */
  readonly alongside?: readonly Op[];
}

export interface HandToWaiting {
  readonly client: Client;
  readonly line: Line;
  readonly from: Place;
  readonly writes: FencedWrites;
  /** The label of a client, the first of which is meant, or one who was seen to wait. */
  readonly to: string | Claimant;
  /** Done in the same transaction, for the one who gets it. */
  readonly alongside?: (to: KeyValue) => readonly Op[];
}

/**
 * Waits for the writes under way, of which no more must be begun, looks who waits, and hands the turn to the one that is
 * meant. False if nobody like that waits: `from` stands as before. One read and one request; rejects as
 * {@link handOver} does, or with what the read failed with.
 */
export async function handToWaiting(options: HandToWaiting): Promise<boolean> {
  const { client, line, from, writes, alongside } = options;
  try {
    await writes.settled();
    const seen = await viewLine(client.store, line.prefix, { signal: from.session.signal });
    const to = findWaiting(seen, options.to);
    if (to !== undefined) {
      const more = [...line.handingTo(from, to), ...(alongside?.(to) ?? [])];
      // The other may have it, and be done with it, before the reply is here: that is no loss.
      line.disregard(from);
      try {
        if (await handOver({ client, from, to, alongside: more })) return true;
      } finally {
        line.regard(from);
      }
    }
  } catch (error) {
    assertStands(from);
    throw error;
  }
  assertStands(from);
  return false;
}

/**
 * Passes the turn of one place on to another one that waits, of any process, in one transaction: the key keeps its rank,
 * says from then on who has it, and goes with that one's session; the key of the one who waited goes. True if that was
 * done: `from` is gone then. False if the other did not stand any more: `from` stands as before.
 *
 * Goes on until the outcome is known, as long as the session lives. Rejects with `hold-lost` or `session-lost` if
 * `from` was gone before.
 */
export async function handOver(options: HandOver): Promise<boolean> {
  const { client, from, to } = options;
  const record = decodePlace(to)?.record;
  if (record === undefined) return false;
  const handedTo = { key: to.key, revision: to.createRevision };
  const value = encodePlace({ ...record, handedTo }, decodePlace(to)?.attached);
  const request = {
    compare: [...from.guards(), compare.mod(to.key, 'equal', to.modRevision)],
    success: [put(from.key, value, { lease: to.lease }), remove(to.key), ...(options.alongside ?? [])],
    failure: [get(from.key, { keysOnly: true })],
  };
  const { session } = from;
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    assertStands(from);
    try {
      const { succeeded, replies } = await client.store.txn(request, {
        signal: session.signal,
        timeoutMs: Number.POSITIVE_INFINITY,
      });
      if (succeeded) return handed(from);
      const [read] = replies;
      return judge(from, read?.type === 'range' ? read.kvs[0] : undefined);
    } catch (error) {
      assertStands(from);
      if (isQuorateError(error, 'compacted')) return judge(from, await readOwn(client, from));
      if (!isPassingRead(error)) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal: session.signal }).catch(() => {});
    }
  }
}

/** Whether the place was given up by who took it. */
export function wasGivenUp(error: QuorateError): boolean {
  return error.details.givenUp === true;
}

/** Whether the place went by a hand-over, and not by a loss. */
export function wasHandedOver(error: QuorateError): boolean {
  return error.details.handedOver === true;
}

function handed(from: Place): true {
  from.end(
    new QuorateError('hold-lost', 'the place was handed over to another', { details: { handedOver: true } }),
  );
  return true;
}

/** What has become of the key: as it was, or written for the other, or gone. */
function judge(from: Place, kv: KeyValue | undefined): boolean {
  const own = from.claims[0];
  if (kv?.createRevision !== own?.created) {
    const details = { wasTakenAway: true };
    from.end(
      new QuorateError('hold-lost', 'the place was deleted before it could be handed over', { details }),
    );
    assertStands(from);
  }
  return kv?.modRevision === own?.revision ? false : handed(from);
}

function assertStands({ state }: Place): void {
  if (state.status === 'gone') throw state.error;
}

async function readOwn(client: Client, from: Place): Promise<KeyValue | undefined> {
  const backoff = new Backoff(client.runtime, { firstMs: 20, longestMs: 1_000 });
  const { signal } = from.session;
  for (;;) {
    assertStands(from);
    try {
      return (await client.store.range({ key: from.key, keysOnly: true }, { signal })).kvs[0];
    } catch {
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
