import type { PlannedJob } from './planned-jobs.js';

/** A worker as the dispatcher sees it. */
export interface PlannedWorker {
  readonly id: string;
  /** Create revision of its presence; 0 if only its records were found. */
  readonly create: number;
  slots: number;
  /** Its presence is gone: its jobs are to be taken back. */
  lost: boolean;
  /** What it holds or is about to hold. */
  readonly inHand: Set<PlannedJob>;
}

/** The workers of a queue, and who of them gets the next job. */
export class PlannedWorkers {
  readonly #workers = new Map<string, PlannedWorker>();

  get(id: string): PlannedWorker | undefined {
    return this.#workers.get(id);
  }

  add(id: string, create: number, slots: number): PlannedWorker {
    const worker: PlannedWorker = { id, create, slots, lost: false, inHand: new Set() };
    this.#workers.set(id, worker);
    return worker;
  }

  /** One that only its records tell of. */
  addLost(id: string): PlannedWorker {
    const worker = this.add(id, 0, 0);
    worker.lost = true;
    return worker;
  }

  present(id: string, create: number, slots: number): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) this.add(id, create, slots);
    else worker.slots = slots;
  }

  gone(id: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    worker.lost = true;
    worker.slots = 0;
  }

  remove(id: string): void {
    this.#workers.delete(id);
  }

  firstLost(): PlannedWorker | undefined {
    for (const worker of this.#workers.values()) if (worker.lost) return worker;
    return undefined;
  }

  /**
   * Up to `most` workers that may be given jobs now, the least busy ones. A worker takes part when it is idle or a
   * quarter of its slots is free: otherwise every acknowledgement would cause a record of one job.
   */
  open(most: number): PlannedWorker[] {
    return [...this.#workers.values()]
      .filter(({ lost, slots, inHand }) => {
        const free = slots - inHand.size;
        return !lost && free > 0 && (inHand.size === 0 || free * 4 >= slots);
      })
      .sort((a, b) => a.inHand.size * b.slots - b.inHand.size * a.slots)
      .slice(0, most);
  }
}

/** The one with the smallest share of its slots in use; undefined if none has a free one. */
export function leastBusy(workers: readonly PlannedWorker[]): PlannedWorker | undefined {
  let best: PlannedWorker | undefined;
  for (const worker of workers) {
    if (worker.inHand.size >= worker.slots) continue;
    if (best === undefined || worker.inHand.size * best.slots < best.inHand.size * worker.slots)
      best = worker;
  }
  return best;
}
