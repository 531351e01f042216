import type { StoredWorker } from './messages.js';
import type { PlannedJob } from './planned-jobs.js';

/** A worker as the dispatcher sees it. */
export interface PlannedWorker {
  readonly id: string;
  /** Create revision of its presence; 0 if only its records were found. */
  readonly create: number;
  /** How many jobs it accepts. */
  slots: number;
  /** How many of them it can start at once. */
  concurrency: number;
  /** How many it is given. */
  capacity: number;
  /** Its presence is gone: its jobs are to be taken back. */
  lost: boolean;
  /** What it holds or is about to hold. */
  readonly inHand: Set<PlannedJob>;
}

/** The workers of a queue, and who of them gets the next job. */
export class PlannedWorkers {
  readonly #workers = new Map<string, PlannedWorker>();
  #startsOnly = false;

  /** Whether workers are given only as many jobs as they can start at once, and none to hold ahead. */
  setStartsOnly(startsOnly: boolean): void {
    this.#startsOnly = startsOnly;
    for (const worker of this.#workers.values()) this.#accepts(worker, worker);
  }

  get(id: string): PlannedWorker | undefined {
    return this.#workers.get(id);
  }

  add({ id, create, ...accepted }: StoredWorker): PlannedWorker {
    const worker = { id, create, ...accepted, capacity: 0, lost: false, inHand: new Set<PlannedJob>() };
    this.#accepts(worker, accepted);
    this.#workers.set(id, worker);
    return worker;
  }

  /** One that only its records tell of. */
  addLost(id: string): PlannedWorker {
    const worker = this.add({ id, create: 0, slots: 0, concurrency: 0 });
    worker.lost = true;
    return worker;
  }

  present(stored: StoredWorker): void {
    const worker = this.#workers.get(stored.id);
    if (worker === undefined) this.add(stored);
    else this.#accepts(worker, stored);
  }

  gone(id: string): void {
    const worker = this.#workers.get(id);
    if (worker === undefined) return;
    worker.lost = true;
    this.#accepts(worker, { slots: 0, concurrency: 0 });
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
   * quarter of its capacity is free: otherwise every acknowledgement would cause a record of one job.
   */
  open(most: number): PlannedWorker[] {
    return [...this.#workers.values()]
      .filter(({ lost, capacity, inHand }) => {
        const free = capacity - inHand.size;
        return !lost && free > 0 && (inHand.size === 0 || free * 4 >= capacity);
      })
      .sort((a, b) => a.inHand.size * b.capacity - b.inHand.size * a.capacity)
      .slice(0, most);
  }

  #accepts(worker: PlannedWorker, { slots, concurrency }: Pick<StoredWorker, 'slots' | 'concurrency'>): void {
    worker.slots = slots;
    worker.concurrency = concurrency;
    worker.capacity = this.#startsOnly ? Math.min(slots, concurrency) : slots;
  }
}

/**
 * To whom the next jobs go: a run of them to the least busy worker, then one to who is the least busy by then. What a worker is
 * given together it acknowledges together, so to give one to each in turn would cost a record and an acknowledgement for
 * every few jobs where there are many workers. A few jobs are spread evenly all the same.
 */
export class Runs {
  readonly #workers: readonly PlannedWorker[];
  readonly #length: number;
  #worker: PlannedWorker | undefined;
  #left = 0;

  /** `jobs`: how many there are for all of them. */
  constructor(workers: readonly PlannedWorker[], jobs: number) {
    this.#workers = workers;
    this.#length = Math.ceil(jobs / Math.max(1, workers.length));
  }

  /** Undefined if nobody has room. */
  next(): PlannedWorker | undefined {
    if (this.#left === 0 || this.#worker === undefined || !hasRoom(this.#worker)) {
      this.#worker = leastBusy(this.#workers);
      this.#left = this.#length;
    }
    this.#left -= 1;
    return this.#worker;
  }
}

/** The one with the smallest share of its capacity in use; undefined if none has a free one. */
function leastBusy(workers: readonly PlannedWorker[]): PlannedWorker | undefined {
  let best: PlannedWorker | undefined;
  for (const worker of workers) {
    if (!hasRoom(worker)) continue;
    if (best === undefined || worker.inHand.size * best.capacity < best.inHand.size * worker.capacity)
      best = worker;
  }
  return best;
}

function hasRoom({ inHand, capacity }: PlannedWorker): boolean {
  return inHand.size < capacity;
}
