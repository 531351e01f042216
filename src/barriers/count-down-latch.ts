/**
 * A latch: closed until so many arrivals were counted, and open from then on.
 *
 * **Keys** `{ns}/latch/{name}/…`, none on a lease, since what has arrived has arrived, whatever becomes of who said so:
 * - `c/{id}`: this arrival was counted.
 * - `n`: put by every arrival, so that its `version` counts them, without anybody reading first. Says how many open the latch.
 * - `open`: there once it is open. Says the same, and which arrival opened it.
 *
 * **Transactions**, all through the exactly-once store. N is how many open it:
 * - count down: `IF create(c/id) = 0, create(open) = 0, value(n) = N THEN {IF version(n) = N-1 THEN put open, delete n and all c/ ELSE put
 *   c/id, put n, get n} ELSE get n and open, {IF create(n) = 0, create(open) = 0 THEN the same for the first arrival}`. The last
 *   arrival opens it in the revision in which it is counted: nobody can die between the two. All compares see the state before
 *   the request, so however many arrive at a time, each finds the version that the one before it left.
 * - An arrival that is known already, or comes when the latch is open, changes nothing and is told so.
 *
 * **Who waits for what.** A wait reads `n` and `open`, by a request sent after the call, and then waits for `open` to be there. One
 * watch serves all waits of a process: see `watch/fact-follower.ts`. `open` stays, so nobody misses it, however late he comes.
 *
 * **Cleaning up.** The revision that opens it deletes all other keys; one small key is left, which tells who comes later.
 * `remove()` deletes everything, for a name that is used again.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where history was compacted meanwhile the arrival is sent
 * again, and its id sees to it that it counts once. Process dead or paused: what it has counted stays; a late request is refused
 * by its id. Session: none is needed. Watch cut, silent, compacted: says nothing; the key is read again, at the latest after about a
 * TTL. Watch or read that can never go on: the wait rejects.
 *
 * **Wrong:** counting by a read and a write, which lose arrivals or try again and again; a range count and then a request that opens,
 * between which the last one may die; arrivals on a lease, which go back; an arrival without an id, which counts twice when it is
 * sent again.
 */
import { invalidArgument, isPermanent, isQuorateError, shown } from '../errors.js';
import { Backoff, checkWaitOptions, sleep, TimeLeft, type WaitOptions } from '../runtime/index.js';
import { orGiveUp } from '../runtime/or-give-up.js';
import { type Client, checkClient } from '../session/index.js';
import {
  checkName,
  compare,
  get,
  type KeyValue,
  nested,
  type Op,
  type OpReply,
  put,
  remove,
  removePrefix,
  segmentOf,
  type TxnRequest,
} from '../store/index.js';
import { FactFollower } from '../watch/index.js';
import { encodeOpen, factsOf, type LatchFacts, type LatchKeys, latchKeys } from './latch/latch-state.js';

export interface CountDownOptions extends WaitOptions {
  /**
   * Names the arrival: whoever says it again, in whatever process, does not count again. Default: one of its own for each call, which
   * counts once too.
   */
  readonly id?: string | undefined;
}

/** What became of an arrival. */
export interface CountDown {
  /**
   * This call was counted. False: the id had been, or the latch was open already; or this call was, and its reply was lost with the
   * history that would have told.
   */
  readonly counted: boolean;
  /** How many are missing, in the state after it; 0: it is open. */
  readonly remaining: number;
}

/** A latch as it was at one revision. */
export interface LatchView {
  readonly revision: number;
  readonly isOpen: boolean;
  readonly remaining: number;
}

const retryDelay = { firstMs: 20, longestMs: 1_000 };

/**
 * A latch: closed until so many arrivals were counted, and open from then on.
 *
 * - Guaranteed: it opens in the revision in which the last arrival is counted, each of which counts once, by its id; nobody who waits misses it,
 *   however late.
 * - Not guaranteed: that all who wait go on at the same instant. What was counted is not taken back, whatever becomes of who arrived.
 * - Session loss: it needs none.
 * - Errors: `invalid-argument`, also for another `count` than the latch has; of a wait `aborted`, `timeout`, `closed`.
 * - Cost: one request to count down, however many do at a time. A wait one read, and if it is closed one more; all who wait in a process share a
 *   watch, and the opening is one event of it.
 */
export class CountDownLatch {
  readonly name: string;
  readonly count: number;
  readonly #client: Client;
  readonly #keys: LatchKeys;
  readonly #open: FactFollower;

  /**
   * The latch of this name in the client's namespace, which `count` arrivals open. All processes must say the same count: whoever says
   * another than who came first is refused with `invalid-argument`, as soon as there is something to compare it with. Making
   * one sends nothing.
   */
  constructor(client: Client, name: string, options: { readonly count: number }) {
    checkClient(client);
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(`options are of type ${typeof options}`, 'an object with count');
    }
    const { count } = options;
    if (!Number.isSafeInteger(count) || count < 1) {
      throw invalidArgument(`count is ${shown(count)}`, 'a whole number from 1');
    }
    this.#keys = latchKeys(client.keys.prefix('latch', name));
    this.name = name;
    this.count = count;
    this.#client = client;
    const { hub, store, runtime } = client;
    this.#open = new FactFollower({ hub, store, runtime, key: this.#keys.open, recheckMs: client.ttlMs });
  }

  /**
   * Says that one has arrived. Resolves once it is known that it was counted, or had been. It counts once however often the request
   * is sent, and stays counted whatever becomes of this process.
   *
   * - With an `id` it may be said again after a crash, by whomever. Without, a call that was given up or failed with outcome `unknown`
   *   may have been counted, and another call would count besides.
   * - Errors: `invalid-argument` if the latch was made with another count; `aborted` and `timeout` as asked for, with outcome
   *   `unknown`; the store's own. Cost: one request. Calls of one process go one after the other.
   */
  async countDown(options: CountDownOptions = {}): Promise<CountDown> {
    const doing = `counting down the latch ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { id = this.#client.runtime.newId() } = options;
    checkName(id, 'id of an arrival');
    const request = this.#counting(id);
    const { runtime, store } = this.#client;
    const backoff = new Backoff(runtime, retryDelay);
    const left = new TimeLeft(runtime, options, doing);
    for (;;) {
      try {
        return this.#counted(await store.txn(request, left.all()));
      } catch (error) {
        // The outcome was lost with the history, but settled: the id tells.
        if (!isQuorateError(error, 'compacted')) throw error;
        await left.pause(backoff.nextMs());
      }
    }
  }

  /**
   * Waits until the latch is open; returns at once if it is, however long ago that was.
   *
   * Errors: `invalid-argument` if the latch was made with another count; `aborted` and `timeout` as asked for; `closed` if the client is;
   * `permission-denied`, `unauthenticated`. While the store is away it waits on. Needs no session, and leaves no key behind.
   *
   * Cost: one read; if it is closed, one watch for all who wait in the process and one more read as that opens; the release is one
   * event, and no request. One read about once a TTL.
   */
  async wait(options: WaitOptions = {}): Promise<void> {
    const doing = `waiting for the latch ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    await orGiveUp(
      this.#client.runtime,
      (givenUp) => this.#wait(givenUp),
      () => {},
      options,
      doing,
    );
  }

  /** How many are missing, as the store has it. One read. Errors: `invalid-argument` for another count, the store's own. */
  async inspect(options: WaitOptions = {}): Promise<LatchView> {
    checkWaitOptions(options, `looking at the latch ${JSON.stringify(this.name)}`);
    const { kvs, revision } = await this.#client.store.range(this.#keys.facts, options);
    const facts = this.#checked(kvs);
    return { revision, isOpen: facts.isOpen, remaining: this.#remaining(facts) };
  }

  /**
   * Deletes all its keys, in one revision, so that the name can be used anew, with whatever count. For when nobody counts down or waits
   * any more: who waits for one that was not open waits for the next of the name, and what is said late counts for that.
   */
  async remove(options: WaitOptions = {}): Promise<void> {
    checkWaitOptions(options, `removing the latch ${JSON.stringify(this.name)}`);
    const success = [removePrefix(this.#keys.prefix)];
    await this.#client.store.txn({ compare: [], success, failure: [] }, options);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { store, runtime } = this.#client;
    const { facts } = this.#keys;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      try {
        const { kvs, revision } = await store.range(facts, { signal });
        if (this.#checked(kvs).isOpen) return;
        this.#open.learn(undefined, revision);
        break;
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
    await this.#open.until(
      (state) => (state.status === 'present' && this.#checked([state.kv]).isOpen) || undefined,
      { signal },
    );
  }

  #counting(id: string): TxnRequest {
    const { arrivals, count: counter, open } = this.#keys;
    const { count } = this;
    const arrival = `${arrivals}${segmentOf(id)}`;
    const opening: readonly Op[] = [
      put(open, encodeOpen({ count, by: id })),
      remove(counter),
      removePrefix(arrivals),
    ];
    const counting: readonly Op[] = [put(arrival, ''), put(counter, String(count)), get(counter)];
    const isNew = [compare.create(arrival, 'equal', 0), compare.create(open, 'equal', 0)];
    const isLast = compare.version(counter, 'equal', count - 1);
    const isFirst = compare.create(counter, 'equal', 0);
    return {
      compare: [...isNew, compare.value(counter, 'equal', String(count))],
      success: [nested({ compare: [isLast], success: opening, failure: counting })],
      failure: [
        get(counter),
        get(open),
        nested({ compare: [...isNew, isFirst], success: count === 1 ? opening : counting }),
      ],
    };
  }

  #counted({
    succeeded,
    replies,
  }: {
    readonly succeeded: boolean;
    readonly replies: readonly OpReply[];
  }): CountDown {
    const done = replies.at(-1);
    if (done?.type === 'txn' && (succeeded || done.succeeded)) {
      // Where it was the last one, there is nothing left to be read.
      const after = done.replies.flatMap((reply) => (reply.type === 'range' ? reply.kvs : []));
      const [counter] = after;
      return { counted: true, remaining: counter === undefined ? 0 : this.count - counter.version };
    }
    const seen = replies.flatMap((reply) => (reply.type === 'range' ? reply.kvs : []));
    return { counted: false, remaining: this.#remaining(this.#checked(seen)) };
  }

  /** What these keys say, if the latch is the one that was meant. */
  #checked(kvs: readonly KeyValue[]): LatchFacts {
    const facts = factsOf(kvs, this.#keys);
    const isOther = facts.count !== undefined && facts.count !== this.count;
    if (!isOther && (facts.isOpen || facts.arrived === 0 || facts.count !== undefined)) return facts;
    throw invalidArgument(
      `the latch ${JSON.stringify(this.name)} has the count ${facts.count ?? 'of somebody else'}, and not ${this.count}`,
      'the count that it was made with',
    );
  }

  #remaining({ isOpen, arrived }: LatchFacts): number {
    return isOpen ? 0 : this.count - arrived;
  }
}
