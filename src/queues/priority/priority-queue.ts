import type { Client } from '../../session/index.js';
import { Queue, type QueueOptions } from '../queue.js';

/**
 * A queue whose items have a priority, a whole number from 0, the most urgent, to 31: `enqueue(payload, { priority: 3 })`. Without one
 * it is 16.
 *
 * **Order**: of the items that wait and that no rule holds back, the dispatcher gives out the most urgent ones it knows of, and
 * among equally urgent ones keeps the order of a {@link FifoQueue}. An item that comes back (handler failed, worker died) is given
 * out before all later ones of its priority.
 *
 * - **Guaranteed**: if the `enqueue` of an item returned before that of a less urgent one was called, in whatever processes, the
 *   less urgent one is not first given out while the other waits, unless a rule (its `key`, its `group`) holds the other back. This
 *   is so across changes of dispatcher, and however long the queue is.
 * - **Not guaranteed**: that an urgent item interrupts anything. It does not pass what was given out before the dispatcher heard of it,
 *   which is what runs and what workers hold ahead: let `prefetch` be 0 where that matters. Nor that less urgent items
 *   ever get their turn: as long as more urgent ones come in faster than they are done, they wait.
 * - **Fixed**: an item keeps its priority, and its dead letter too if it is redriven. To change that of one that waits is not offered,
 *   since its place is its name: cancel it and enqueue another.
 * - **Ordering keys** hold across priorities: of the items that share a `key` one is worked on at a time, the most urgent one
 *   that waits first.
 * - **Cost**: as of every queue; one compare more for each priority in a group of enqueues, and one commit when a priority is
 *   used for the first time. A new dispatcher reads the queue in one window at least for each priority that was ever used.
 * - **Long queues**: what is most urgent is held in memory; when more than `mirror` items of the more urgent ones wait, the
 *   others stay in the store. An urgent item that comes then passes them all the same.
 *
 * What else holds, session loss included, is told at {@link Queue}. Algorithm: as of the FIFO queue, with keys, a gate and a
 * cursor of their own for each priority; `docs/queues.md`.
 */
export class PriorityQueue<T> extends Queue<T> {
  /** Throws `invalid-argument` for a name that is empty, too long or has control characters. Sends nothing. */
  constructor(client: Client, name: string, options: QueueOptions<T> = {}) {
    super('priority', client, name, options);
  }
}
