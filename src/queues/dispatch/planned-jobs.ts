import { invariant } from '../../runtime/index.js';
import { type ItemId, type LevelName, levelOf } from '../keys.js';
import type { ItemTraits } from '../records/index.js';
import { Choice } from './choice/choice.js';
import type { Choosable, Stand } from './choice/choosable.js';
import { Delays } from './delays.js';
import type { PlannedWorker } from './planned-workers.js';

/** Where a job stands. Only `move` changes it. */
export type JobPlace =
  | { readonly status: 'ready' }
  | { readonly status: 'delayed'; readonly untilMs: number }
  /** Its task waits for others. */
  | { readonly status: 'held' }
  /** In a transaction whose reply has not come. */
  | { readonly status: 'assigning'; readonly worker: PlannedWorker }
  | { readonly status: 'assigned'; readonly worker: PlannedWorker }
  | { readonly status: 'taking-back'; readonly worker: PlannedWorker };

export interface PlannedJob extends Choosable {
  readonly id: ItemId;
  readonly create: number;
  readonly notBefore?: number | undefined;
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
  readonly #choice = new Choice<PlannedJob>((id) => this.#jobs.get(id));
  readonly #delayed = new Delays<PlannedJob>();
  #readyCount = 0;
  readonly #readyIn = new Map<LevelName, number>();
  #delayedCount = 0;
  #inHandCount = 0;
  /** By task. */
  readonly #held = new Map<string, Set<PlannedJob>>();
  #isHeldBack: (task: string) => boolean = () => false;

  /** Those that a rule holds back included. */
  get readyCount(): number {
    return this.#readyCount;
  }

  get delayedCount(): number {
    return this.#delayedCount;
  }

  /** With workers, on their way to one, or being taken back from one. */
  get inHandCount(): number {
    return this.#inHandCount;
  }

  get nextDelayedMs(): number | undefined {
    return this.#delayed.nextMs;
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
    this.#choice.moved(job, undefined);
    this.#jobs.delete(job.id);
  }

  /** The one transition of a job's place. */
  move(job: PlannedJob, place: JobPlace): void {
    this.#leave(job);
    job.place = place;
    this.#enter(job);
  }

  /** How many jobs of a group may be in hand. */
  setGroupLimits(limitOf: (group: string) => number): void {
    this.#choice.setGroupLimits(limitOf);
  }

  /** Jobs of such tasks are held back until {@link letGo}. */
  setHold(isHeldBack: (task: string) => boolean): void {
    this.#isHeldBack = isHeldBack;
  }

  /** Those that are held back no longer become ready. */
  letGo(): void {
    for (const [task, jobs] of this.#held) {
      if (!this.#isHeldBack(task)) for (const job of [...jobs]) this.move(job, ready);
    }
  }

  /** The first ready job that neither its key nor its group holds back, left where it is. */
  next(): PlannedJob | undefined {
    return this.#choice.first();
  }

  /** Jobs whose delay is over become ready. */
  release(nowMs: number): void {
    for (let next = this.#delayed.takeDue(nowMs); next; next = this.#delayed.takeDue(nowMs)) {
      const { value: job, untilMs } = next;
      if (this.#jobs.get(job.id) !== job) continue;
      if (job.place.status === 'delayed' && job.place.untilMs === untilMs) this.move(job, ready);
    }
  }

  /** Those of `readyCount` that are of this level or of a more urgent one. */
  readyUpTo(level: LevelName): number {
    let count = 0;
    for (const [name, ready] of this.#readyIn) if (name <= level) count += ready;
    return count;
  }

  firstReady(level: LevelName): ItemId | undefined {
    let first: ItemId | undefined;
    for (const { id, place } of this.#jobs.values()) {
      if (place.status !== 'ready' || levelOf(id) !== level) continue;
      if (first === undefined || id < first) first = id;
    }
    return first;
  }

  /** The id of the n-th ready job. Sorts them. */
  readyAt(index: number): ItemId | undefined {
    const ids: ItemId[] = [];
    for (const { id, place } of this.#jobs.values()) if (place.status === 'ready') ids.push(id);
    return ids.sort()[index];
  }

  /** Forgets the ready jobs of a level from `cut` on. */
  dropReadyFrom(cut: ItemId): void {
    const level = levelOf(cut);
    for (const job of [...this.#jobs.values()]) {
      if (job.id >= cut && job.place.status === 'ready' && levelOf(job.id) === level) this.remove(job);
    }
  }

  /** Those that nobody works on. */
  *idle(): Iterable<PlannedJob> {
    for (const job of this.#jobs.values()) if (!('worker' in job.place)) yield job;
  }

  /** The smallest id of each level that has a job here. */
  smallestIds(): ReadonlyMap<LevelName, ItemId> {
    const smallest = new Map<LevelName, ItemId>();
    for (const id of this.#jobs.keys()) {
      const level = levelOf(id);
      const known = smallest.get(level);
      if (known === undefined || id < known) smallest.set(level, id);
    }
    return smallest;
  }

  #enter(job: PlannedJob): void {
    const task = job.traits?.task;
    if (task !== undefined && job.place.status === 'ready' && this.#isHeldBack(task)) {
      job.place = { status: 'held' };
      this.#held.set(task, (this.#held.get(task) ?? new Set()).add(job));
    }
    const { place } = job;
    switch (place.status) {
      case 'held':
        break;
      case 'ready':
        this.#countReady(job, 1);
        break;
      case 'delayed':
        this.#delayed.add(place.untilMs, job);
        this.#delayedCount += 1;
        break;
      default:
        this.#inHandCount += 1;
        place.worker.inHand.add(job);
    }
    this.#choice.moved(job, standOf(place));
  }

  #countReady({ id }: PlannedJob, change: 1 | -1): void {
    const level = levelOf(id);
    this.#readyCount += change;
    this.#readyIn.set(level, (this.#readyIn.get(level) ?? 0) + change);
  }

  #leave(job: PlannedJob): void {
    const { place } = job;
    switch (place.status) {
      case 'ready':
        this.#countReady(job, -1);
        return;
      case 'delayed':
        this.#delayedCount -= 1;
        return;
      case 'held':
        this.#letOff(job);
        return;
      default:
        this.#inHandCount -= 1;
        place.worker.inHand.delete(job);
    }
  }

  #letOff(job: PlannedJob): void {
    const task = job.traits?.task ?? '';
    const held = this.#held.get(task);
    held?.delete(job);
    if (held?.size === 0) this.#held.delete(task);
  }
}

/**
 * What is held for its task has no place in the line of its key: the tasks that it waits for may be behind it there. Let go, it takes
 * its place by its id.
 */
function standOf({ status }: JobPlace): Stand | undefined {
  if (status === 'held') return undefined;
  return status === 'ready' || status === 'delayed' ? status : 'in-hand';
}
