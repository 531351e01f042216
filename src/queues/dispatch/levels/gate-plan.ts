import { type ItemId, levelOf, placeOf } from '../../keys.js';
import type { GateMove, StoredItem } from '../messages.js';
import type { PlannedJobs } from '../planned-jobs.js';
import { GateFollower } from './gate-follower.js';
import type { WindowReader } from './window-reader.js';

/** Where the gate stands and where it goes next: dispatch-plan.ts tells what for. */
export class GatePlan {
  readonly #mirror: number;
  readonly #jobs: PlannedJobs;
  readonly #reader: WindowReader;
  readonly #follower: GateFollower;
  #place: ItemId;
  #overflowChecked = false;

  constructor(
    limits: { readonly mirror: number; readonly gateDelayMs: number },
    jobs: PlannedJobs,
    reader: WindowReader,
    place: ItemId,
  ) {
    this.#mirror = limits.mirror;
    this.#jobs = jobs;
    this.#reader = reader;
    this.#place = place;
    this.#follower = new GateFollower(limits.gateDelayMs);
  }

  get place(): ItemId {
    return this.#place;
  }

  /** When it is to follow the newest items. */
  get dueMs(): number | undefined {
    return this.#follower.dueMs;
  }

  itemCreated(revision: number, nowMs: number): void {
    if (!this.#reader.isBehind) this.#follower.itemCreated(revision, nowMs);
  }

  /** What the watch has brought may let a move succeed that was refused. */
  heardNews(): void {
    this.#overflowChecked = false;
  }

  /** The move to make now, for a plan that holds everything up to revision `view`. */
  next(view: number, nowMs: number): GateMove | undefined {
    const { pending } = this.#reader;
    const from = this.#place;
    if (pending !== undefined) return { purpose: 'window', from, to: pending.to, revision: pending.revision };
    if (this.#reader.isBehind) return undefined;
    const overflow = this.#overflow();
    if (overflow !== undefined) {
      if (overflow > from) return { purpose: 'cut', from, to: overflow, revision: view };
      // Nothing can be created there any more.
      this.#cutAt(overflow);
      return undefined;
    }
    const due = this.#follower.take(nowMs);
    const to = due === undefined ? from : placeOf(due, levelOf(from));
    if (to <= from) return undefined;
    return { purpose: 'follow', from, to, revision: view };
  }

  /** Answers the items that may be planned now. */
  answered({ purpose, to }: GateMove, moved: boolean): readonly StoredItem[] {
    if (moved) this.#place = to;
    if (purpose === 'window') return this.#reader.closed(moved);
    if (purpose === 'cut' && moved) this.#cutAt(to);
    return [];
  }

  /** From where on memory should not hold the waiting items. */
  #overflow(): ItemId | undefined {
    if (this.#jobs.readyCount <= this.#mirror || this.#overflowChecked) return undefined;
    // Once for each news from the watch: refused, it lacks an item that the watch is about to bring.
    this.#overflowChecked = true;
    return this.#jobs.readyAt(this.#mirror >> 1);
  }

  /** What lies from there on is left in the store. */
  #cutAt(to: ItemId): void {
    this.#follower.forget();
    this.#jobs.dropReadyFrom(to);
    this.#reader.start(to);
  }
}
