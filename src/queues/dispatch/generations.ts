import type { ItemId } from '../keys.js';
import type { TakeBack } from '../records/index.js';
import type { StoredItem } from './messages.js';
import type { JobPlace, PlannedJobs } from './planned-jobs.js';

/** What an item came back with. */
interface Taken {
  readonly generation: number;
  readonly takeBack: TakeBack;
}

/**
 * How often each item came back from a worker, and so in which generation, after which delay and with how many failures it is
 * planned. That an item came back may be known before the item itself: it may lie in a part of the queue that is read later.
 *
 * Generations only grow. So news of one that is not above the known is old, in whatever order watch, reads and replies bring it.
 */
export class Generations {
  readonly #jobs: PlannedJobs;
  /** Of items that are not planned (yet) too. Without an entry, an item never came back. */
  readonly #taken = new Map<ItemId, Taken>();

  constructor(jobs: PlannedJobs) {
    this.#jobs = jobs;
  }

  start(taken: Iterable<readonly [ItemId, Taken]>): void {
    for (const [id, entry] of taken) this.#taken.set(id, entry);
  }

  of(id: ItemId): number {
    return this.#taken.get(id)?.generation ?? 0;
  }

  /** An item that is not planned yet becomes a job in the generation that it has by now. */
  plan(item: StoredItem, nowMs: number): void {
    const taken = this.#taken.get(item.id);
    this.#jobs.add({
      ...item,
      generation: taken?.generation ?? 0,
      failures: taken?.takeBack.failures ?? 0,
      losses: taken?.takeBack.losses ?? 0,
      place: placeAfter(taken?.takeBack.delayMs ?? 0, nowMs),
    });
  }

  /** The same with those of them that are not planned yet. */
  planMissing(items: readonly StoredItem[], nowMs: number): void {
    for (const item of items) if (this.#jobs.get(item.id) === undefined) this.plan(item, nowMs);
  }

  takenBack(id: ItemId, generation: number, takeBack: TakeBack, nowMs: number): void {
    if (generation > this.of(id)) this.#taken.set(id, { generation, takeBack });
    const job = this.#jobs.get(id);
    if (job === undefined || generation <= job.generation) return;
    job.generation = generation;
    job.failures = takeBack.failures;
    job.losses = takeBack.losses;
    this.#jobs.move(job, placeAfter(takeBack.delayMs, nowMs));
  }

  /** The item is deleted. */
  gone(id: ItemId): void {
    this.#taken.delete(id);
  }
}

function placeAfter(delayMs: number, nowMs: number): JobPlace {
  return delayMs > 0 ? { status: 'delayed', untilMs: nowMs + delayMs } : { status: 'ready' };
}
