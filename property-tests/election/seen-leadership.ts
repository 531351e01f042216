import type { History, Life, SeenTerm } from '../../src/checkers/index.js';
import type { Leadership } from '../../src/election/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, textOf } from '../../src/store/index.js';
import { Belief } from '../support/belief.js';

/** One term, as its leader's process saw it. */
export class SeenLeadership {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly term: number;
  readonly place: Key;
  /** Revision that created the place. */
  readonly revision: number;
  readonly belief: Belief;
  readonly #leadership: Leadership;

  constructor(process: SimulatedProcess, leadership: Leadership, nowMs: () => number) {
    const guard = leadership.guard();
    this.process = process;
    this.incarnation = process.incarnation;
    this.term = leadership.term;
    this.place = guard.key;
    this.revision = Number(guard.operand);
    this.#leadership = leadership;
    const isHeld = () => leadership.isLeader;
    this.belief = new Belief({ process, nowMs, signal: leadership.signal, isHeld });
  }

  /** The code of the error that it was lost with; undefined if it was not. */
  get lostWith(): string | undefined {
    const { aborted, reason } = this.#leadership.signal;
    return aborted && isQuorateError(reason) ? reason.code : undefined;
  }

  /** Its place, in the history. */
  lifeIn(history: History): Life | undefined {
    return history.livesOf(this.place).find(({ from }) => from === this.revision);
  }

  /** For the checkers. `takenAwayAtMs`: somebody deleted its place then, and that it was believed in longer is not its fault. */
  asTerm(takenAwayAtMs = Number.POSITIVE_INFINITY): SeenTerm {
    const { belief, place, term } = this;
    const { lastCheckpoint } = this.#leadership;
    const endedAtMs = Math.min(belief.endedAtMs ?? Number.POSITIVE_INFINITY, takenAwayAtMs);
    return {
      ...{ process: this.process.name, term, place, wonAtMs: belief.fromMs },
      lastCheckpoint: lastCheckpoint && textOf(lastCheckpoint),
      ...(Number.isFinite(endedAtMs) ? { endedAtMs } : {}),
    };
  }
}
