/**
 * The waiting line that locks and elections stand in.
 *
 * **Keys.** `{prefix}l/{id}.{n}`, one a place, on the session's lease. The id is random per `Line` object; n counts its
 * places, and is used again once the place that had it is certainly deleted, since etcd walks over every key that a
 * range ever held until it is compacted: a name per hold would slow the line by 60 ms a million holds. So a place is
 * its key *and* the revision that created it. That revision is its rank; nothing else ever writes the key, so the
 * same revision, as the mod revision, guards it.
 *
 * **Transactions**, all through the exactly-once store, so each is applied at most once and its reply is known:
 * - join: `IF anchor stands THEN put k, range line` (two joins of one line never share a request, since each ranges
 *   what the other writes). The range sees the put: one reply tells the rank and who is older.
 * - step back: `IF mod(k) = m, anchor stands THEN delete k, put k2, range line`: leaves and queues again in one.
 * - leave: `IF mod(k) = m THEN delete k`. May be repeated, so it goes past the exactly-once store where that has no space.
 *
 * **Who waits for what.** A place waits until no older key is left. The older keys are known from the join's
 * reply and are struck off by the DELETE events of one standing watch on the whole line, shared by everybody in
 * the process. One watch carries the own key and the older ones in one order, so "none older is left, and mine is
 * not deleted" at an event's revision is a proof, without a read, as long as nothing was missed since the join.
 * Predecessor watches, etcd's recipe, would each start anew and now and then be served by etcd's slow path, 100 ms late.
 *
 * **When the watch is not enough.** It is opened at the first contention and lingers. Where it opened after the
 * state a place knows, the line is read once. A fresh watch may be served late too: it is backed by a read
 * after 8 and 32 ms. After a cut the watch starts from now and the line is read, and until it is, no event proves
 * anything: the own place may have gone in the gap. Nor does a read prove more than the state at its own revision,
 * however late its reply comes. A cut, a compaction or a failure is never taken for a wake-up. Against a watch that
 * went silent unnoticed, waiters read the line about once a TTL.
 *
 * **Lost replies.** The exactly-once store resolves them. Where it cannot (history compacted), the request is
 * settled all the same, it can no longer be applied, so one read of the line tells. **Session lost:** the keys die
 * with the lease and a late join is refused by the anchor. **Pause:** whoever holds compares the clock.
 */
import { isQuorateError, QuorateError } from '../errors.js';
import { Backoff, invariant, sleep } from '../runtime/index.js';
import type { Client, Session } from '../session/index.js';
import {
  bytesOf,
  compare,
  getPrefix,
  type Key,
  type KeyRange,
  type KeyValue,
  nested,
  type Op,
  type OpReply,
  prefixRange,
  put,
  remove,
  type TxnRequest,
} from '../store/index.js';
import { LineWatch } from './line-watch.js';
import { Place } from './place.js';
import { readLine } from './read-line.js';

export interface JoinOptions {
  /** The place's key, of `newKey()`, for who must know it beforehand. */
  readonly key?: Key;
  /** Done in the same transaction if the line was empty before it. */
  readonly ifAlone?: readonly Op[];
}

export class Line {
  /** All places of the line. */
  readonly range: Required<KeyRange>;
  readonly #client: Client;
  readonly #prefix: Key;
  readonly #watch: LineWatch;
  readonly #id: string;
  /** Keys of places of this object that are certainly gone. */
  readonly #free: Key[] = [];
  #taken = 0;

  constructor(client: Client, prefix: Key) {
    this.#client = client;
    this.#prefix = `${prefix}l/`;
    this.range = prefixRange(this.#prefix);
    this.#watch = new LineWatch(client, this.range);
    this.#id = client.runtime.newId();
  }

  /**
   * Takes a place at the end of the line, or throws `session-lost`. One request. Goes on until the outcome is
   * known, as long as the session lives: whoever stops waiting for it must `leave` the place once it is there. It may be
   * gone already.
   */
  async join(session: Session, options: JoinOptions = {}): Promise<Place> {
    const key = options.key ?? this.newKey();
    const ifAlone = options.ifAlone
      ? [nested({ compare: [compare.create(this.range, 'equal', 0)], success: options.ifAlone })]
      : [];
    const request = {
      compare: [session.guard()],
      success: [this.#putPlace(key, session), ...ifAlone, this.#rangeLine()],
      failure: [],
    };
    const place = await this.#take(session, key, request);
    if (place !== undefined) return place;
    // Refused by the anchor: the lease is over, or somebody deleted the anchor, which ends the session too.
    await session.verify({ signal: session.signal }).catch(() => {});
    throw new QuorateError('session-lost', 'the session had ended when the place was to be taken');
  }

  /** Takes a place only if the line is empty. One request, and it leaves nothing behind otherwise. */
  async joinIfEmpty(session: Session): Promise<Place | undefined> {
    const key = this.newKey();
    const request = {
      compare: [session.guard(), compare.create(this.range, 'equal', 0)],
      success: [this.#putPlace(key, session), this.#rangeLine()],
      failure: [],
    };
    const place = await this.#take(session, key, request);
    return place?.state.status === 'gone' ? undefined : place;
  }

  /**
   * Gives a place up for a new one at the end of the line, in one request. Undefined if that could not be had,
   * since the place or its session was gone; the old place is gone in any case, unless this throws.
   */
  async stepBack(place: Place): Promise<Place | undefined> {
    const { session } = place;
    const key = this.newKey();
    const request = {
      compare: [place.guard(), session.guard()],
      success: [remove(place.key), this.#putPlace(key, session), this.#rangeLine()],
      failure: [],
    };
    this.#watch.forget(place);
    const next = await this.#take(session, key, request);
    if (next === undefined || next.state.status === 'gone') {
      await this.leave(place);
      return undefined;
    }
    this.#given(place);
    return next;
  }

  /**
   * Gives a place up. Resolves once it is certainly gone: true if this has deleted it; false if somebody else had, or its
   * session is over, or the client is closed. Never rejects. Repeats while the store is away; the lease bounds that.
   *
   * A store that is out of space refuses every put, those that make a write exactly-once too; so it is asked by itself
   * then, which this request, being guarded, may be, again and again.
   */
  async leave(place: Place, alongside: readonly Op[] = []): Promise<boolean> {
    const { session } = place;
    this.#watch.forget(place);
    const backoff = new Backoff(this.#client.runtime, { firstMs: 10, longestMs: 1_000 });
    const request = { compare: [place.guard()], success: [remove(place.key), ...alongside], failure: [] };
    const { store, plainStore } = this.#client;
    let isFull = false;
    while (place.state.status !== 'gone') {
      try {
        const { succeeded } = isFull
          ? await plainStore.txn(request, { signal: session.signal })
          : await store.txn(request, { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY });
        if (succeeded) {
          this.#given(place);
          return true;
        }
        place.end(new QuorateError('hold-lost', 'the place had gone before it was given up'));
      } catch (error) {
        isFull ||= isQuorateError(error, 'no-space');
        if (isQuorateError(error, 'closed')) place.end(error);
        else await sleep(this.#client.runtime, backoff.nextMs(), { signal: session.signal }).catch(() => {});
      }
    }
    return false;
  }

  /** Has the line watched for this place although it does not wait: its deletion by somebody else will end it. */
  guardAgainstDeletion(place: Place): void {
    if (place.state.status === 'oldest') this.#watch.followFromNow(place);
  }

  /** A key for one place. */
  newKey(): Key {
    const used = this.#free.pop();
    if (used !== undefined) return used;
    this.#taken += 1;
    return `${this.#prefix}${this.#id}.${this.#taken}`;
  }

  /** The place is certainly deleted, by us: its key can serve another. */
  #given(place: Place): void {
    if (place.state.status === 'gone') return;
    place.end(new QuorateError('hold-lost', 'the place was given up'));
    this.#free.push(place.key);
  }

  #putPlace(key: Key, session: Session): Op {
    const value = JSON.stringify({ session: session.id, label: this.#client.label });
    return put(key, bytesOf(value), { lease: session.leaseId });
  }

  #rangeLine(): Op {
    return getPrefix(this.#prefix, { keysOnly: true });
  }

  async #take(session: Session, key: Key, request: TxnRequest): Promise<Place | undefined> {
    const struck = this.#watch.beginJoin();
    let place: Place | undefined;
    try {
      place = await this.#send(session, key, request);
    } finally {
      this.#watch.endJoin(struck, place);
    }
    if (place?.state.status === 'waiting') this.#watch.follow(place);
    return place;
  }

  async #send(session: Session, key: Key, request: TxnRequest): Promise<Place | undefined> {
    session.assertLive();
    try {
      const { succeeded, revision, replies } = await this.#client.store.txn(request, {
        signal: session.signal,
        timeoutMs: Number.POSITIVE_INFINITY,
      });
      if (!succeeded) {
        this.#free.push(key);
        return undefined;
      }
      const alone = replies.find((reply) => reply.type === 'txn');
      const aloneReply = alone?.type === 'txn' && alone.succeeded ? alone : undefined;
      return new Place({
        key,
        session,
        revision,
        asOf: revision,
        older: olderThan(key, revision, replies.at(-1)),
        aloneReply,
      });
    } catch (error) {
      if (session.signal.aborted) {
        throw sessionLost(error);
      }
      if (!isQuorateError(error) || error.outcome !== 'unknown' || error.code === 'closed') throw error;
      return this.#find(session, key);
    }
  }

  /**
   * The request is settled but its reply is lost for good: what the line shows is what came of it. Read until it
   * is read, since a place that nobody knows of would block the line as long as the session lives. A place that is not
   * there is answered as one that is gone: it may have been, and been deleted by somebody.
   */
  async #find(session: Session, key: Key): Promise<Place> {
    const { revision: asOf, kvs } = await readLine(this.#client, this.range, session.signal).catch(
      (cause: unknown) => {
        throw sessionLost(cause);
      },
    );
    const mine = kvs.find((kv) => kv.key === key);
    const older = createdAt(kvs.filter((kv) => kv.createRevision < (mine?.createRevision ?? asOf)));
    const place = new Place({ key, session, revision: mine?.modRevision ?? asOf, asOf, older });
    if (mine === undefined) {
      place.end(new QuorateError('hold-lost', 'the place was not there when it was looked for'));
    }
    return place;
  }
}

function sessionLost(cause: unknown): QuorateError {
  return new QuorateError('session-lost', 'the session ended while the place was taken', { cause });
}

/** Everybody else in the line as the place was taken: they came before. */
function olderThan(key: Key, revision: number, reply: OpReply | undefined): ReadonlyMap<Key, number> {
  invariant(reply?.type === 'range', 'the last operation of a join is the range over the line');
  const older = new Map(createdAt(reply.kvs));
  invariant(older.get(key) === revision, 'a place is taken under a key that was free');
  older.delete(key);
  return older;
}

function createdAt(kvs: readonly KeyValue[]): ReadonlyMap<Key, number> {
  return new Map(kvs.map((kv) => [kv.key, kv.createRevision]));
}
