/**
 * How the places of one `Line` object are given up.
 *
 * `IF mod(k) = m THEN delete k`, and what tells the next in line, where lines do that (grant.ts). A place that waits leaves so too. It
 * may have been handed the hold at that very moment: refused, it looks, and gives up what it got.
 *
 * Guarded by what it deletes, the request may be repeated if nothing else is done in it: sent again whatever became of it, it does
 * nothing once it was applied. So it takes no lane of the exactly-once store while nobody else waits there. A store that is out of
 * space refuses every put, those that make a write exactly-once too; so it is asked past the exactly-once store then, by requests
 * without a put.
 *
 * A place of several keys is given up as a whole: where somebody deleted one of them, the others go all the same, each by its own guard.
 */
import { isQuorateError, QuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import {
  compare,
  type KeyRange,
  nested,
  type Op,
  type OpReply,
  remove,
  type TxnOp,
  type TxnReply,
  type TxnRequest,
} from '../store/index.js';
import type { PlaceWatch } from './granted-watch.js';
import type { Granting } from './granting.js';
import { Place } from './place.js';
import { readLine } from './read-line.js';

/** One for all, since the trace of a stack costs more than the rest of a release. */
const givenUp = new QuorateError('hold-lost', 'the place was given up', { details: { givenUp: true } });

interface LeavingOptions {
  readonly client: Client;
  /** All places of the line. */
  readonly range: KeyRange;
  readonly watch: PlaceWatch;
  /** Of a line whose holders wake the next by name. */
  readonly granting: Granting | undefined;
  /** The keys of this stem are certainly gone, and can serve another place. */
  readonly free: (stem: string) => void;
}

export class Leaving {
  readonly #client: Client;
  readonly #range: KeyRange;
  readonly #watch: PlaceWatch;
  readonly #granting: Granting | undefined;
  readonly #free: (stem: string) => void;

  constructor({ client, range, watch, granting, free }: LeavingOptions) {
    this.#client = client;
    this.#range = range;
    this.#watch = watch;
    this.#granting = granting;
    this.#free = free;
  }

  /** True if this has deleted it; false if it was gone, and is so certainly then. Never rejects. */
  leave(place: Place, alongside: readonly Op[]): Promise<boolean> {
    return place.claims.length > 1 ? this.#leaveWhole(place, alongside) : this.#leave(place, alongside);
  }

  /** What gives up a place that has its turn, to be nested in a transaction. Its reply is for {@link answered}. */
  async within(place: Place): Promise<TxnOp> {
    this.#watch.forget(place);
    await this.#granting?.prepared(place);
    return nested(this.#request(place, []));
  }

  /** Whether the place was given up so. */
  answered(place: Place, reply: OpReply): boolean {
    if (reply.type !== 'txn') return false;
    if (reply.succeeded) this.done(place);
    else this.#granting?.isRefusedForNext(place, reply);
    return reply.succeeded;
  }

  /** What deletes a place that has its turn, in a transaction that is guarded by it: no next one is compared. */
  deletions(place: Place): readonly Op[] {
    place.behind = [];
    return this.#granting?.passing(place).success ?? place.claims.map(({ key }) => remove(key));
  }

  /** The place is certainly deleted, by us. */
  done(place: Place): void {
    if (place.state.status === 'gone') return;
    place.end(givenUp);
    if (place.stem !== undefined) this.#free(place.stem);
  }

  /** Where somebody had deleted one of its keys it was gone; the others would stand as long as the session. */
  async #leaveWhole(place: Place, alongside: readonly Op[]): Promise<boolean> {
    const { claims, session, revision } = place;
    if (await this.#leave(place, alongside)) return true;
    await this.#leave(new Place({ claims, session, revision, asOf: revision, older: new Map() }), []);
    return false;
  }

  async #leave(place: Place, alongside: readonly Op[]): Promise<boolean> {
    const { signal } = place.session;
    const repeatable = alongside.length === 0;
    this.#watch.forget(place);
    const backoff = new Backoff(this.#client.runtime, { firstMs: 10, longestMs: 1_000 });
    const { store, plainStore } = this.#client;
    let isFull = false;
    if (place.state.status === 'admitted') await this.#granting?.prepared(place);
    while (place.state.status !== 'gone') {
      if (isFull) place.behind = [];
      const request = this.#request(place, alongside);
      try {
        const reply = isFull
          ? await plainStore.txn(request, { signal })
          : await store.txn(request, {
              repeatable,
              signal,
              timeoutMs: Number.POSITIVE_INFINITY,
            });
        if (isDone(place, reply)) {
          this.done(place);
          return true;
        }
        if (this.#granting?.isRefusedForNext(place, reply)) continue;
        // Who waited may have been handed the hold at the very moment, and must give that up.
        if (place.state.status === 'waiting' && (await this.#takeOver(place))) continue;
        const details = { wasTakenAway: true };
        place.end(new QuorateError('hold-lost', 'the place had gone before it was given up', { details }));
      } catch (error) {
        isFull ||= isQuorateError(error, 'no-space');
        if (isQuorateError(error, 'closed')) place.end(error);
        else await sleep(this.#client.runtime, backoff.nextMs(), { signal }).catch(() => {});
      }
    }
    return false;
  }

  #request(place: Place, alongside: readonly Op[]): TxnRequest {
    if (this.#granting === undefined || place.claims.length > 1) return plainRequest(place, alongside);
    if (place.state.status === 'waiting') return this.#granting.withdrawing(place);
    return this.#granting.passing(place, alongside);
  }

  /** Whether a place whose key is gone turns out to have been handed the hold. */
  async #takeOver(place: Place): Promise<boolean> {
    const look = { signal: place.session.signal, values: true };
    const { revision, kvs } = await readLine(this.#client, this.#range, look);
    place.see(new Map(kvs.map((kv) => [kv.key, kv])), revision, true);
    return place.state.status === 'admitted';
  }
}

/** Of the parts of a place that has several keys, each says for itself whether it was still there. */
function isDone(place: Place, { succeeded, replies }: TxnReply): boolean {
  if (place.claims.length === 1) return succeeded;
  return succeeded && replies.every((reply) => reply.type !== 'txn' || reply.succeeded);
}

/** Where somebody deleted one of its keys, the others go all the same. */
function plainRequest(place: Place, alongside: readonly Op[]): TxnRequest {
  const [first, ...others] = place.claims;
  if (first !== undefined && others.length === 0) {
    return { compare: place.guards(), success: [remove(first.key), ...alongside], failure: [] };
  }
  const each = place.claims.map(({ key, revision }) =>
    nested({ compare: [compare.mod(key, 'equal', revision)], success: [remove(key)] }),
  );
  return { compare: [], success: [...each, ...alongside], failure: [] };
}
