import { checkWaitOptions, type WaitOptions } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { txnOf } from '../store/index.js';
import { QueueKeys } from './keys.js';
import { Queue, type QueueOptions } from './queue.js';

/**
 * A first-in-first-out queue whose items may wait for a time before they enter it.
 *
 * - **Order**: an item has its place from its `enqueue`, as in a `FifoQueue`. When its delay is over it comes before what was
 *   enqueued after it and still waits, and behind what was enqueued before it. Delays that end in another order than their
 *   items were enqueued are given out in the order in which they end, as far as workers have time for them.
 * - **Guaranteed**: it is not given out before `delayMs` since its enqueue, less the error of a clock's rate: the dispatcher's,
 *   one of the workers, whose clock need not be set. It enters once, and with its id: results, cancellation, progress and dead
 *   letters are as for every item.
 * - **Not guaranteed**: that it comes at once. It is late by what it takes to give it out; by the time in which no worker ran; and
 *   at each change of dispatcher by up to 300 ms, or a 32nd of what is left (up to 10 s). Changes of the cluster's leader do nothing.
 * - **Session loss** does not touch delays: they are on no lease.
 * - **Cost**: three grouped commits and a read for an item, beside those of a `FifoQueue`: 60 share them where as many are at hand. While
 *   only delays wait the dispatcher writes its beat every 300 ms to 10 s, the more rarely the further the next one is.
 * - **A paused queue** lets delays end and gives nothing out. A closed one lets in what it had taken. A dead letter comes back without delay.
 *
 * What else holds is told at {@link Queue}. Algorithm: a durable timing structure sorted by due time, whose entries become items under
 * the dispatcher's term; `docs/queues.md`.
 */
export class DelayQueue<T> extends Queue<T> {
  readonly #delayKeys: QueueKeys;

  /** Throws `invalid-argument` for a name that is empty, too long or has control characters. Sends nothing. */
  constructor(client: Client, name: string, options: QueueOptions<T> = {}) {
    super('delay', client, name, options);
    this.#delayKeys = new QueueKeys(client.keys.prefix('queue', name), 'delay');
  }

  /** Items that are not acknowledged yet: delayed, waiting and being worked on. One request; etcd counts them one by one. */
  override async size(options: WaitOptions = {}): Promise<number> {
    checkWaitOptions(options, `counting the items of queue "${this.name}"`);
    const { items, delayed } = this.#delayKeys;
    return this.#count([items, delayed], options);
  }

  /** Items whose delay is not over. One request; etcd counts them one by one. */
  async delayedSize(options: WaitOptions = {}): Promise<number> {
    checkWaitOptions(options, `counting the delayed items of queue "${this.name}"`);
    return this.#count([this.#delayKeys.delayed], options);
  }

  /** At one revision. */
  async #count(ranges: readonly QueueKeys['items'][], options: WaitOptions): Promise<number> {
    const success = ranges.map((range) => ({ type: 'range' as const, ...range, countOnly: true }));
    const { replies } = await this.client.store.txn(txnOf({ success }), options);
    return replies.reduce((sum, reply) => sum + (reply.type === 'range' ? reply.count : 0), 0);
  }
}
