/**
 * Key `h/ctl`, unleased: one document `{paused, closed, limits, bound}`; none is as one that allows everything.
 *
 * - **Change** `IF mod(h/ctl) = as read THEN put h/ctl ELSE get h/ctl`, again with what was found there if others were faster: a
 *   change of one thing leaves the others as they are. A change that changes nothing writes nothing.
 * - **Kind**: the first read tells it, and an object of another kind changes nothing.
 * - **Who obeys**: the dispatcher names the revision of the document in every assignment, and each enqueue in its own
 *   transaction. So a change holds from its revision on, whatever anybody knew or had on its way.
 * - *Reply lost*: the exactly-once store finds out whether this change was applied. *Compare refused*: somebody else's change
 *   came between, which this one is then made of. Nothing depends on a session, a watch or the history.
 */
import { invalidArgument } from '../../errors.js';
import { Backoff, checkWaitOptions, TimeLeft, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, put, txnOf } from '../../store/index.js';
import { checkedBound } from '../bounds/check-bound.js';
import type { QueueKeys } from '../keys.js';
import { checkKindIn, kindReads } from '../producer/admission.js';
import { firstOf } from '../reading/first-of.js';
import { encodeControl, type QueueBound, type QueueControl, type QueueLimits } from '../records/index.js';
import { checkedLimits } from './check-limits.js';
import { observeControls, statusOf } from './observe-controls.js';

/** What operators have decided for a queue. */
export interface QueueStatus extends QueueControl {
  /** The revision that decided it; 0: nobody ever has. */
  readonly revision: number;
}

const retryDelay = { firstMs: 5, longestMs: 200 };

/**
 * Rules for a whole queue, whoever works on it and wherever: pause and resume, closed for new items, limits. They are kept
 * in the store and hold until they are changed, also for producers and workers that come later.
 *
 * - **Order**: every change has a revision, and holds for all assignments and enqueues of later revisions. Changes by several
 *   people at a time are made one after another; each leaves alone what it does not name.
 * - **Guaranteed**: once a call has returned, nothing is given out, or let in, against it.
 * - **Not guaranteed**: that handlers stop. What was given out before goes on, runs to its end and is acknowledged, also
 *   jobs that a worker holds ahead (`prefetch`). A limit below what is in hand takes nothing back.
 * - **Cost**: a read and a commit; one commit more for each other change that comes between; only the read if
 *   all is already as asked for. Nothing for each job.
 *
 * Errors of every method: `invalid-argument` (also of every change by an object of another kind than the queue, which changes nothing), `aborted` and `timeout` (of `options`; no limit unless given; outcome `unknown` if
 * the change was on its way), and what the store answers.
 */
export class QueueControls {
  readonly #client: Client;
  readonly #keys: QueueKeys;

  /** Made by the queue. */
  constructor(client: Client, keys: QueueKeys) {
    this.#client = client;
    this.#keys = keys;
  }

  /** What holds now. A document in the store that cannot be read counts as a pause. One request. */
  async read(options: WaitOptions = {}): Promise<QueueStatus> {
    checkWaitOptions(options, 'reading the controls of a queue');
    const { kvs } = await this.#client.store.range({ key: this.#keys.control }, options);
    return statusOf(kvs[0]);
  }

  /**
   * Follows what holds: first what does now, then each change. Conflated: a slow reader gets the newest and may miss some
   * between, but never gets an older one after a newer. While this process is cut off from the store it is silent, and then
   * says what has changed. Ends when `signal` fires or the reader stops; throws if it can never go on (`closed`,
   * `permission-denied`). Cost: one read at first and one after a cut, one watch shared in the process, one event a change.
   */
  observe(options: { signal?: AbortSignal | undefined } = {}): AsyncIterable<QueueStatus> {
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidArgument('signal is not an AbortSignal', 'an AbortSignal, or none');
    }
    return observeControls(this.#client, this.#keys, signal);
  }

  /** Nothing is given out any more, until {@link resume}. New items are let in. */
  pause(options: WaitOptions = {}): Promise<QueueStatus> {
    return this.#change('pausing a queue', { paused: true }, options);
  }

  /** Jobs are given out again, in queue order. */
  resume(options: WaitOptions = {}): Promise<QueueStatus> {
    return this.#change('resuming a queue', { paused: false }, options);
  }

  /** Lets no new item in, until {@link reopen}: enqueues fail with `queue-closed`. What is in the queue is worked on. */
  close(options: WaitOptions = {}): Promise<QueueStatus> {
    return this.#change('closing a queue', { closed: true }, options);
  }

  /** Lets new items in again. */
  reopen(options: WaitOptions = {}): Promise<QueueStatus> {
    return this.#change('reopening a queue', { closed: false }, options);
  }

  /**
   * Makes these the limits, all of them: what is left out is not limited any more.
   *
   * - `concurrency`: jobs with all workers together, those that they hold ahead included. 0: none.
   * - `groups`, and `groupConcurrency` for groups that it does not name: the same for the jobs of one group.
   * - `rate`: `count` jobs are given out in each `perMs` in the long run, and up to `burst` (default: `count`) at once after a rest:
   *   any `perMs` sees at most `burst + count`. For a hard limit of n in any `perMs`, let the two add up to n. Workers
   *   hold no jobs ahead while there is a rate, so that what is given out starts. It is measured by the dispatcher's
   *   monotonic clock and begins anew, with nothing saved up, under another dispatcher and when the rate is changed.
   *
   * `invalid-argument` says what is accepted.
   */
  async setLimits(limits: QueueLimits, options: WaitOptions = {}): Promise<QueueStatus> {
    return this.#change('setting the limits of a queue', { limits: checkedLimits(limits) }, options);
  }

  /**
   * Makes this the number of items that the queue holds, and what becomes of those for which there is no room; null: as many as
   * come. Whoever waits for room learns of it. What is above a smaller one stays, and nothing enters before it has gone;
   * with `drop-oldest` the next item that enters makes all of it go that nobody works on.
   *
   * `invalid-argument` says what is accepted; `drop-oldest` is not for a `ConditionQueue`, whose items are counted.
   */
  async setBound(bound: QueueBound | null, options: WaitOptions = {}): Promise<QueueStatus> {
    return this.#change(
      'setting the bound of a queue',
      () => ({ bound: checkedBound(bound, this.#keys.kind) }),
      options,
    );
  }

  /** The same, unless somebody has decided already. */
  async decideBound(bound: QueueBound, options: WaitOptions = {}): Promise<QueueStatus> {
    const decide = (control: QueueControl) => (control.bound === undefined ? { bound } : {});
    return this.#change('setting the bound of a queue', decide, options);
  }

  async #change(
    doing: string,
    change: Partial<QueueControl> | ((before: QueueControl) => Partial<QueueControl>),
    options: WaitOptions,
  ): Promise<QueueStatus> {
    checkWaitOptions(options, doing);
    const { runtime, store } = this.#client;
    const { control: key } = this.#keys;
    const backoff = new Backoff(runtime, retryDelay);
    const left = new TimeLeft(runtime, options, doing);
    const look = await store.txn(txnOf({ success: [get(key), ...kindReads(this.#keys)] }), left.forRead());
    checkKindIn(this.#keys, look.replies.slice(1));
    let kv = firstOf(look.replies[0]);
    for (;;) {
      const before = statusOf(kv);
      const former = controlIn(before);
      const control = { ...former, ...(typeof change === 'function' ? change(former) : change) };
      const bytes = encodeControl(control);
      if (kv !== undefined && Buffer.compare(bytes, kv.value) === 0) return before;
      const asRead = compare.mod(key, 'equal', before.revision);
      const request = { compare: [asRead], success: [put(key, bytes)], failure: [get(key)] };
      const { succeeded, replies, revision } = await store.txn(request, left.all());
      if (succeeded) return { ...control, revision };
      kv = firstOf(replies[0]);
      await left.pause(backoff.nextMs());
    }
  }
}

function controlIn({ paused, closed, limits, bound }: QueueStatus): QueueControl {
  return { paused, closed, limits, ...(bound === undefined ? {} : { bound }) };
}
