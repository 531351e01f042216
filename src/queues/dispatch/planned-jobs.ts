import { invariant } from '../../runtime/index.js';
import type { ItemId } from '../keys.js';
import type { ItemTraits } from '../records/index.js';
import type { PlannedWorker } from './planned-workers.js';
import { ReadyList } from './ready-list.js';

/** Where a job stands. Only `move` changes it. */
export type JobPlace =
  | { readonly status: 'ready' }
  | { readonly status: 'delayed'; readonly untilMs: number }
  /** In a transaction whose reply has not come. */
  | { readonly status: 'assigning'; readonly worker: PlannedWorker }
  | { readonly status: 'assigned'; readonly worker: PlannedWorker }
  | { readonly status: 'taking-back'; readonly worker: PlannedWorker };

export interface PlannedJob {
  readonly id: ItemId;
  readonly create: number;
  generation: number;
  failures: number;
  losses: number;
  readonly traits?: ItemTraits | undefined;
  /** Absent if it is long: the worker reads it. */
  readonly payload?: Uint8Array | undefined;
  place: JobPlace;
}

const ready: JobPlace = { status: 'ready' };

/** The items that the dispatcher holds in memory, by what becomes of them next. */
export class PlannedJobs {
  readonly #jobs = new Map<ItemId, PlannedJob>();
  readonly #ready = new ReadyList();
  /** By time. */
  readonly #delayed: { readonly untilMs: number; readonly job: PlannedJob }[] = [];
  #readyCount = 0;
  #delayedCount = 0;

  get readyCount(): number {
    return this.#readyCount;
  }

  get delayedCount(): number {
    return this.#delayedCount;
  }

  get nextDelayedMs(): number | undefined {
    return this.#delayed[0]?.untilMs;
  }

  get(id: ItemId): PlannedJob | undefined {
    return this.#jobs.get(id);
  }

  add(job: PlannedJob): void {
    invariant(!this.#jobs.has(job.id), 'an item is planned once');
    this.#jobs.set(job.id, job);
    this.#enter(job);
  }

  remove(job: PlannedJob): void {
    this.#leave(job);
    this.#jobs.delete(job.id);
  }

  /** The one transition of a job's place. */
  move(job: PlannedJob, place: JobPlace): void {
    this.#leave(job);
    job.place = place;
    this.#enter(job);
  }

  /** The first ready job in queue order, left where it is. */
  firstReady(): PlannedJob | undefined {
    for (;;) {
      const id = this.#ready.first();
      if (id === undefined) return undefined;
      const job = this.#jobs.get(id);
      if (job?.place.status === 'ready') return job;
      this.#ready.dropFirst();
    }
  }

  /** Jobs whose delay is over become ready. */
  release(nowMs: number): void {
    for (let next = this.#delayed[0]; next !== undefined && next.untilMs <= nowMs; next = this.#delayed[0]) {
      this.#delayed.shift();
      const { place } = next.job;
      if (this.#jobs.get(next.job.id) !== next.job) continue;
      if (place.status === 'delayed' && place.untilMs === next.untilMs) this.move(next.job, ready);
    }
  }

  /** The id of the n-th ready job, about: jobs that left are counted until they are come upon. */
  readyAt(index: number): ItemId | undefined {
    return this.#ready.at(index);
  }

  /** Forgets the ready jobs from `cut` on. */
  dropReadyFrom(cut: ItemId): void {
    for (const id of this.#ready.cutAt(cut)) {
      const job = this.#jobs.get(id);
      if (job?.place.status !== 'ready') continue;
      this.#readyCount -= 1;
      this.#jobs.delete(id);
    }
  }

  smallestId(): ItemId | undefined {
    let smallest: ItemId | undefined;
    for (const id of this.#jobs.keys()) if (smallest === undefined || id < smallest) smallest = id;
    return smallest;
  }

  #enter(job: PlannedJob): void {
    const { place } = job;
    switch (place.status) {
      case 'ready':
        this.#ready.insert(job.id);
        this.#readyCount += 1;
        return;
      case 'delayed': {
        let index = this.#delayed.length;
        while (index > 0 && (this.#delayed[index - 1]?.untilMs ?? 0) > place.untilMs) index -= 1;
        this.#delayed.splice(index, 0, { untilMs: place.untilMs, job });
        this.#delayedCount += 1;
        return;
      }
      default:
        place.worker.inHand.add(job);
    }
  }

  #leave(job: PlannedJob): void {
    const { place } = job;
    switch (place.status) {
      case 'ready':
        this.#readyCount -= 1;
        if (this.#ready.first() === job.id) this.#ready.dropFirst();
        return;
      case 'delayed':
        this.#delayedCount -= 1;
        return;
      default:
        place.worker.inHand.delete(job);
    }
  }
}
