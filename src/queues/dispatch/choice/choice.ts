/**
 * Which job is given out next: the first in queue order that neither its key nor its group holds back. What holds all back
 * (a pause, the concurrency of the fleet, the rate) is told in fleet-rules.ts.
 *
 * - *Key*: of the jobs that share one, only the first may go, and only while none of them is with a worker. One that failed
 *   stays the first while it waits for its retry, so nothing of its key passes it. One whose task waits for others is not among them.
 * - *Group*: of the jobs that their keys let go, the first of each group may go while the group has room.
 * - *Open*: the heads of groups, and jobs that have none. The next job is taken from here.
 *
 * Nobody looks for jobs that have become free: one that leaves a worker moves the head of its key and of its group, each
 * found at the front of a line. So a queue full of blocked jobs costs an assignment no more than an empty one.
 */
import type { ItemId } from '../../keys.js';
import type { Choosable, Stand } from './choosable.js';
import { Lines } from './lines.js';
import { SortedIds } from './sorted-ids.js';

export class Choice<Job extends Choosable> {
  readonly #find: (id: ItemId) => Job | undefined;
  readonly #open = new SortedIds();
  readonly #keys: Lines;
  readonly #groups: Lines;
  #limitOf: (group: string) => number = () => Number.POSITIVE_INFINITY;

  /** `find` knows every job that was told of, until it is told to be gone. */
  constructor(find: (id: ItemId) => Job | undefined) {
    this.#find = find;
    this.#keys = new Lines({
      find,
      limitOf: () => 1,
      isWaiting: ({ stand }) => stand === 'ready' || stand === 'delayed',
      mayGo: ({ stand }) => stand === 'ready',
      onHead: (job, isHead) => this.#letGo(job, isHead),
    });
    this.#groups = new Lines({
      find,
      limitOf: (group) => this.#limitOf(group),
      isWaiting: ({ isLetGo }) => isLetGo === true,
      mayGo: () => true,
      onHead: (job, isHead) => this.#setOpen(job, isHead),
    });
  }

  /** How many jobs of a group may be with workers at a time. */
  setGroupLimits(limitOf: (group: string) => number): void {
    this.#limitOf = limitOf;
    this.#groups.settle();
  }

  /** The job stands so from now on; undefined: it is gone. */
  moved(job: Choosable, stand: Stand | undefined): void {
    const before = job.stand;
    if (before === stand) return;
    job.stand = stand;
    const inHand = stand === 'in-hand' ? 1 : before === 'in-hand' ? -1 : 0;
    const { key, group } = job.traits ?? {};
    if (group !== undefined) this.#groups.changed(group, job, inHand);
    if (key === undefined) this.#letGo(job, stand === 'ready');
    else this.#keys.changed(key, job, inHand);
  }

  /** The next job, left where it is; undefined if none may go. */
  first(): Job | undefined {
    for (let id = this.#open.first(); id !== undefined; id = this.#open.first()) {
      const job = this.#find(id);
      if (job?.isOpen) return job;
      this.#open.dropFirst();
    }
    return undefined;
  }

  #letGo(job: Choosable, isLetGo: boolean): void {
    job.isLetGo = isLetGo;
    const group = job.traits?.group;
    if (group === undefined) this.#setOpen(job, isLetGo);
    else this.#groups.changed(group, job, 0);
  }

  #setOpen(job: Choosable, isOpen: boolean): void {
    job.isOpen = isOpen;
    if (isOpen) this.#open.insert(job.id);
  }
}
