import { type ItemId, type LevelName, levelOf } from '../../keys.js';
import type { LevelStart } from '../../reading/starts.js';
import type { GateMove, StoredItem, WindowRead } from '../messages.js';
import type { PlannedJob, PlannedJobs } from '../planned-jobs.js';
import { Level, type LevelLimits } from './level.js';

type Window = Parameters<Level['reader']['received']>[0];

/**
 * The levels of a queue, the most urgent first. A queue without levels has one, whose name is empty.
 *
 * **What may go.** Ids sort by level, so the first ready job is the most urgent of those that the plan holds. There may be more
 * urgent ones in the store: so nothing is given out of levels behind the first one that is not read to its end, and nothing
 * that was read and is younger than what the watch has told. Of levels that are read to their ends the watch has then told
 * all that is as old as the job or older: more urgent items that it might pass are younger than it.
 *
 * **Memory.** What is most urgent is read first, and what is least urgent is left in the store when too much is ready.
 */
export class Levels {
  readonly #limits: LevelLimits;
  readonly #jobs: PlannedJobs;
  #levels: readonly Level[] = [];
  #overflowChecked = false;

  constructor(limits: LevelLimits, jobs: PlannedJobs) {
    this.#limits = limits;
    this.#jobs = jobs;
  }

  start(loaded: readonly LevelStart[]): void {
    for (const level of loaded) this.open(level);
  }

  /** A level is used for the first time. */
  open(loaded: LevelStart): void {
    if (this.#of(loaded.gate) !== undefined) return;
    const level = new Level(this.#limits, this.#jobs, loaded);
    this.#levels = [...this.#levels, level].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Something is left in the store. */
  get isBehind(): boolean {
    return this.#firstBehind() !== undefined;
  }

  /** Something is left in the store that may be read. */
  get hasMore(): boolean {
    return this.#levels.some(({ reader }) => reader.hasMore);
  }

  /** Of a queue with one level: nothing from `bound` on is read, and the gate stands there or beyond; undefined: no bound. */
  setBound(bound: ItemId | undefined): void {
    for (const { reader, gate } of this.#levels) {
      reader.setBound(bound);
      if (bound !== undefined) gate.movedTo(bound);
    }
  }

  /** When a gate is to follow the newest items. */
  get gateDueMs(): number | undefined {
    const times = this.#levels.map(({ gate }) => gate.dueMs).filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The revision up to which the plan holds every item below what is left to be read, in each level. */
  view(seen: number): number {
    if (this.#levels.length === 0) return seen;
    return Math.min(...this.#levels.map((level) => level.view(seen)));
  }

  /** Of each level the smallest item that may exist, `also` included, unless none does, as far as this view goes. */
  bases(also?: ItemId): Readonly<Record<LevelName, ItemId>> {
    const smallest = this.#jobs.smallestIds();
    return Object.fromEntries(
      this.#levels.flatMap(({ name, reader: { cut } }) => {
        const base = [smallest.get(name), cut, also]
          .filter((id) => id !== undefined && levelOf(id) === name)
          .sort()[0];
        return base === undefined ? [] : [[name, base]];
      }),
    );
  }

  /** False: something more urgent may be in the store, as far as a plan knows that has seen all up to revision `seen`. */
  letsGo({ id, create, notBefore = 0 }: PlannedJob, seen: number): boolean {
    if (seen < notBefore) return false;
    const name = levelOf(id);
    if (name === '') return true;
    const behind = this.#firstBehind();
    return create <= seen && (behind === undefined || name <= behind.name);
  }

  /** True if this new item belongs into the plan now. */
  admits(item: StoredItem): boolean {
    return this.#of(item.id)?.reader.admits(item) === true;
  }

  /** True if this item, if it is there, is (still, or again) to be read. */
  isUnread(id: ItemId): boolean {
    const cut = this.#of(id)?.reader.cut;
    return cut !== undefined && id >= cut;
  }

  /** True if this item, which the plan's own write has put, belongs into the plan now. */
  admitsFired(item: StoredItem): boolean {
    return this.#of(item.id)?.reader.admitsFired(item) === true;
  }

  itemCreated(id: ItemId, revision: number, nowMs: number): void {
    this.#of(id)?.gate.itemCreated(revision, nowMs);
  }

  gone(id: ItemId): void {
    this.#of(id)?.reader.gone(id);
  }

  /** What the watch has brought may let a move of a gate succeed that was refused. */
  heardNews(): void {
    this.#overflowChecked = false;
  }

  /** More is ready than memory should hold, and none of it can be left in the store before a gate has moved. */
  get isOverfull(): boolean {
    return this.#jobs.readyCount > this.#limits.mirror && !this.isBehind;
  }

  /**
   * A window to read now, for a plan that has seen everything up to revision `seen`; undefined if no more is. One of each level
   * is under way at a time.
   */
  nextRead(seen: number): WindowRead | undefined {
    let coming = 0;
    for (const level of this.#levels) {
      // What is less urgent has to make room.
      if ((this.#jobs.readyUpTo(level.name) + coming) * 2 > this.#limits.mirror) return undefined;
      const read = level.reader.next(level.view(seen));
      if (read !== undefined) return read;
      coming += level.reader.coming;
    }
    return undefined;
  }

  /** Answers the items that may be planned now. */
  received(window: Window): readonly StoredItem[] {
    const level = this.#of(window.read.from);
    return level?.reader.received(window, level.gate.place) ?? [];
  }

  /** The move of a gate to make now. */
  nextGate(seen: number, nowMs: number): GateMove | undefined {
    for (const { gate } of this.#levels) {
      const closing = gate.closing();
      if (closing !== undefined) return closing;
    }
    const overflow = this.#overflow();
    const cutting = overflow === undefined ? undefined : this.#leaveFrom(overflow, seen);
    if (cutting !== undefined) return cutting;
    for (const level of this.#levels) {
      const following = level.gate.following(level.view(seen), nowMs);
      if (following !== undefined) return following;
    }
    return undefined;
  }

  /** Answers the items that may be planned now. */
  gateAnswered(move: GateMove, moved: boolean): readonly StoredItem[] {
    return this.#of(move.from)?.gate.answered(move, moved) ?? [];
  }

  /** From where on memory should not hold the waiting items. */
  #overflow(): ItemId | undefined {
    const { mirror } = this.#limits;
    if (this.#jobs.readyCount <= mirror) return undefined;
    const isClosed = this.#levels.every(({ reader }) => reader.isBehind);
    if (isClosed) return this.#jobs.readyAt(mirror >> 1);
    if (this.#overflowChecked) return undefined;
    // Once for each news from the watch: refused, it lacks an item that the watch is about to bring.
    this.#overflowChecked = true;
    return this.#jobs.readyAt(mirror >> 1);
  }

  /** Leaves in the store what lies from `place` on. Answers the move of a gate that must come first, if one must. */
  #leaveFrom(place: ItemId, seen: number): GateMove | undefined {
    const name = levelOf(place);
    for (const level of this.#levels) if (level.name > name) level.gate.leaveReady();
    const level = this.#of(place);
    if (level === undefined) return undefined;
    // One that is being read is read no further until there is room, and fires below what was read.
    return level.reader.isBehind ? level.gate.cutLower(place) : level.gate.cutting(place, level.view(seen));
  }

  #firstBehind(): Level | undefined {
    return this.#levels.find(({ reader }) => reader.isBehind);
  }

  #of(id: ItemId): Level | undefined {
    const name = levelOf(id);
    return this.#levels.find((level) => level.name === name);
  }
}
