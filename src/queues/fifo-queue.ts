import type { Client } from '../session/index.js';
import { Queue, type QueueOptions } from './queue.js';

/**
 * A first-in-first-out queue that any number of processes put into and that {@link Worker}s take from.
 *
 * **Order**: if one `enqueue` returned before another was called, in whatever processes, its item comes first;
 * calls of one `FifoQueue` object keep their order even without waiting for each other, and even where a schema takes its
 * time over one of them. Calls of different processes that overlap are ordered either way. Items are *given out* in this
 * order; handlers run side by side, and an item that comes back (handler failed, worker died) is given out before all
 * later ones that still wait.
 *
 * What else holds is told at {@link Queue}. Algorithm: keys ordered by a linearizable read before the write, guarded by a
 * gate; `docs/queues.md`.
 */
export class FifoQueue<T> extends Queue<T> {
  /** Throws `invalid-argument` for a name that is empty, too long or has control characters. Sends nothing. */
  constructor(client: Client, name: string, options: QueueOptions<T> = {}) {
    super('fifo', client, name, options);
  }
}
