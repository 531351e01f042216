import { type ItemId, levelOf } from '../../keys.js';
import type { GateMove, LoadedLevel, StoredItem, WindowRead } from '../messages.js';
import type { PlannedJobs } from '../planned-jobs.js';
import { Level, type LevelLimits } from './level.js';

type Window = Parameters<Level['reader']['received']>[0];

/** The levels of a queue, the most urgent first. A queue without levels has one, whose name is empty. */
export class Levels {
  readonly #limits: LevelLimits;
  readonly #jobs: PlannedJobs;
  #levels: readonly Level[] = [];

  constructor(limits: LevelLimits, jobs: PlannedJobs) {
    this.#limits = limits;
    this.#jobs = jobs;
  }

  start(loaded: readonly LoadedLevel[]): void {
    this.#levels = loaded.map((level) => new Level(this.#limits, this.#jobs, level));
  }

  /** Something is left in the store. */
  get isBehind(): boolean {
    return this.#levels.some(({ reader }) => reader.isBehind);
  }

  /** When a gate is to follow the newest items. */
  get gateDueMs(): number | undefined {
    const times = this.#levels.map(({ gate }) => gate.dueMs).filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The revision up to which the plan holds every item below what is left to be read, in each level. */
  view(seen: number): number {
    return Math.min(...this.#levels.map((level) => level.view(seen)));
  }

  /** The smallest item that may exist; undefined if none does, as far as this view goes. */
  base(): ItemId | undefined {
    const [level] = this.#levels;
    const smallest = this.#jobs.smallestId();
    const cut = level?.reader.cut;
    if (smallest === undefined || cut === undefined) return smallest ?? cut;
    return [smallest, cut].sort()[0];
  }

  /** True if this new item belongs into the plan now. */
  admits(item: StoredItem): boolean {
    return this.#of(item.id)?.reader.admits(item) === true;
  }

  itemCreated(id: ItemId, revision: number, nowMs: number): void {
    this.#of(id)?.gate.itemCreated(revision, nowMs);
  }

  gone(id: ItemId): void {
    this.#of(id)?.reader.gone(id);
  }

  /** What the watch has brought may let a move of a gate succeed that was refused. */
  heardNews(): void {
    for (const { gate } of this.#levels) gate.heardNews();
  }

  /** The window to read now, for a plan that has seen everything up to revision `seen`. */
  nextRead(seen: number): WindowRead | undefined {
    const level = this.#levels.find(({ reader }) => reader.isBehind);
    return level?.reader.next(level.view(seen));
  }

  /** Answers the items that may be planned now. */
  received(window: Window): readonly StoredItem[] {
    const level = this.#of(window.read.from);
    return level?.reader.received(window, level.gate.place) ?? [];
  }

  nextGate(seen: number, nowMs: number): GateMove | undefined {
    for (const level of this.#levels) {
      const move = level.gate.next(level.view(seen), nowMs);
      if (move !== undefined) return move;
    }
    return undefined;
  }

  /** Answers the items that may be planned now. */
  gateAnswered(move: GateMove, moved: boolean): readonly StoredItem[] {
    return this.#of(move.from)?.gate.answered(move, moved) ?? [];
  }

  #of(id: ItemId): Level | undefined {
    const name = levelOf(id);
    return this.#levels.find((level) => level.name === name);
  }
}
