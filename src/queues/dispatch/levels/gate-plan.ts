import { type ItemId, levelOf, placeOf } from '../../keys.js';
import type { GateMove, StoredItem } from '../messages.js';
import type { PlannedJobs } from '../planned-jobs.js';
import { GateFollower } from './gate-follower.js';
import type { WindowReader } from './window-reader.js';

/** Where the gate of a level stands and where it goes next: dispatch-plan.ts tells what for. */
export class GatePlan {
  readonly #jobs: PlannedJobs;
  readonly #reader: WindowReader;
  readonly #follower: GateFollower;
  #place: ItemId;

  constructor(gateDelayMs: number, jobs: PlannedJobs, reader: WindowReader, place: ItemId) {
    this.#jobs = jobs;
    this.#reader = reader;
    this.#place = place;
    this.#follower = new GateFollower(gateDelayMs);
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

  /** The move that closes the window that was read. */
  closing(): GateMove | undefined {
    const { pending } = this.#reader;
    return pending && { purpose: 'window', from: this.#place, to: pending.to, revision: pending.revision };
  }

  /**
   * The move after which what lies from `to` on can be left in the store, for a plan that holds everything of the level up to
   * revision `view`; undefined if it needs none, and is left there already.
   */
  cutting(to: ItemId, view: number): GateMove | undefined {
    const from = this.#place;
    if (to > from) return { purpose: 'cut', from, to, revision: view };
    // Nothing can be created there any more.
    this.#cutAt(to);
    return undefined;
  }

  /** The same where the rest is in the store already: nothing can be created below that but by this dispatcher. */
  cutLower(to: ItemId): undefined {
    const { cut } = this.#reader;
    if (cut !== undefined) this.#cutAt(to < cut ? to : cut);
  }

  /** The move to where the newest items were a while ago, if it is due. For such a plan too. */
  following(view: number, nowMs: number): GateMove | undefined {
    if (this.#reader.isBehind) return undefined;
    const from = this.#place;
    const due = this.#follower.take(nowMs);
    const to = due === undefined ? from : placeOf(due, levelOf(from));
    return to > from ? { purpose: 'follow', from, to, revision: view } : undefined;
  }

  /** It was moved by another part of the plan. */
  movedTo(place: ItemId): void {
    if (place > this.#place) this.#place = place;
  }

  /** Answers the items that may be planned now. */
  answered({ purpose, to }: GateMove, moved: boolean): readonly StoredItem[] {
    if (moved) this.#place = to;
    if (purpose === 'window') return this.#reader.closed(moved);
    if (purpose === 'cut' && moved) this.#cutAt(to);
    return [];
  }

  /** Leaves all that is ready in the store, whatever of it is being read. */
  leaveReady(): void {
    const first = this.#jobs.firstReady(levelOf(this.#place));
    if (first === undefined) return;
    const { cut = this.#place } = this.#reader;
    this.#cutAt(first < cut ? first : cut);
  }

  /** What lies from there on is left in the store. */
  #cutAt(to: ItemId): void {
    this.#follower.forget();
    this.#jobs.dropReadyFrom(to);
    this.#reader.start(to);
  }
}
