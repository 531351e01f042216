import type { Line, Place } from '../../line/index.js';
import type { Runtime, Timer } from '../../runtime/index.js';
import type { OpReply, TxnOp } from '../../store/index.js';
import type { Snapshot } from './snapshot.js';

/**
 * For how long one process commits on a hot key before the next one does, if one waits: whatever is over first. A process that has
 * stood still for some tenths of a second takes some 10 ms of processor time more until it is as fast as it was, which is to
 * be little of its turn: sixteen, in turns of 32 commits or 20 ms, committed 0.75 times as often as one alone.
 */
export const sliceCommits = 256;
const longestSliceMs = 100;
/** Where so many wait that a round would take longer than this, turns are shorter, but not below 20 ms. */
const roundMs = 1_600;
const shortestSliceMs = 20;
/** A run that takes longer than this goes on without its place in the line. */
const longestMs = 1_000;

/**
 * A turn of this process at a hot key: a place in the line of that key which has come to the front, from then until it is left.
 * What is committed meanwhile is known, so the next transaction begins with it.
 */
export class Slice {
  readonly #runtime: Runtime;
  readonly #line: Line;
  readonly #place: Place;
  readonly #beganMs: number;
  readonly #ms: number;
  readonly #longest: Timer;
  #linger: Timer | undefined;
  #commits = 0;
  #isOver = false;
  /** As of the last commit. */
  known: Snapshot | undefined;

  constructor(runtime: Runtime, line: Line, place: Place) {
    this.#runtime = runtime;
    this.#line = line;
    this.#place = place;
    this.#beganMs = runtime.monotonicMs();
    this.#ms = sliceMs(place.aheadAtFirst + 1);
    this.#longest = runtime.setTimer(longestMs, () => this.leave(), { background: true });
  }

  /** Others are known to want the key. */
  get isContended(): boolean {
    return this.#place.aheadAtFirst > 0 || this.#place.behind.length > 0;
  }

  /** The place is there, as far as is known, and there is more to be done by it. */
  get isOpen(): boolean {
    return (
      !this.#isOver && this.#place.state.status === 'admitted' && this.#place.isLive && !this.#isSpent(0)
    );
  }

  /** Somebody goes on in it. */
  resume(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
  }

  /** Nobody does at the moment: it is left if nobody comes for so long. */
  pause(forMs: number, onLeft: () => void): void {
    this.resume();
    const leave = () => {
      onLeft();
      this.leave();
    };
    this.#linger = this.#runtime.setTimer(forMs, leave, { background: true });
  }

  /** What leaves the place, to be done with the next commit, if that is the last one of the slice. */
  async leaving(isWanted: boolean): Promise<TxnOp | undefined> {
    const isLast = isWanted || this.#isSpent(1);
    if (!isLast || this.#isOver || this.#place.state.status !== 'admitted') return undefined;
    return this.#line.leavingWithin(this.#place);
  }

  /** A commit was applied. `left`: the reply to what left the place, if that was part of it. */
  committed(known: Snapshot, left: OpReply | undefined): void {
    this.#commits += 1;
    this.known = known;
    if (left === undefined) return;
    if (this.#line.left(this.#place, left)) this.#finish();
    else this.leave();
  }

  /** Others have changed what was known. To the next call it is no newer than what a commit left: it may have begun later. */
  overtaken(known: Snapshot | undefined): void {
    this.known = known && { ...known, isFresh: false };
  }

  /** Leaves the place in the background, if it has not been left. */
  leave(): void {
    if (this.#isOver) return;
    this.#finish();
    void this.#line.leave(this.#place);
  }

  #finish(): void {
    this.#isOver = true;
    this.known = undefined;
    this.#longest.cancel();
    this.#linger?.cancel();
  }

  #isSpent(more: number): boolean {
    return this.#commits + more >= sliceCommits || this.#runtime.monotonicMs() - this.#beganMs >= this.#ms;
  }
}

/** How long a turn is among so many processes. */
export function sliceMs(processes: number): number {
  return Math.max(shortestSliceMs, Math.min(longestSliceMs, roundMs / processes));
}
