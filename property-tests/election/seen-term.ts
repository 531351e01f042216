import type { History, Life, SeenTerm as ReportedTerm } from '../../src/checkers/index.js';
import type { Leadership } from '../../src/election/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import { Belief } from '../support/belief.js';

/** One term, as its leader's process saw it. */
export class SeenTerm {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly place: Key;
  /** Revision that created the place, or handed it over. */
  readonly revision: number;
  readonly term: number;
  readonly lastCheckpoint: Uint8Array | undefined;
  readonly belief: Belief;
  readonly #signal: AbortSignal;

  constructor(process: SimulatedProcess, leadership: Leadership, nowMs: () => number) {
    const guard = leadership.guard();
    this.process = process;
    this.incarnation = process.incarnation;
    this.place = guard.key;
    this.revision = Number(guard.operand);
    this.term = leadership.term;
    this.lastCheckpoint = leadership.lastCheckpoint;
    this.#signal = leadership.signal;
    this.belief = new Belief({
      ...{ process, nowMs, signal: leadership.signal, isHeld: () => leadership.isLeader },
    });
  }

  /** The code of the error that it was lost with; undefined if it was not. */
  get lostWith(): string | undefined {
    const { aborted, reason } = this.#signal;
    return aborted && isQuorateError(reason) ? reason.code : undefined;
  }

  /** Its place, in the history. */
  lifeIn(history: History): Life | undefined {
    return history.livesOf(this.place).find(({ from, to }) => from <= this.revision && this.revision < to);
  }

  /** For the checkers. `takenAwayAtMs`: somebody deleted its place then, and that it was believed in longer is not its fault. */
  asReported(takenAwayAtMs = Number.POSITIVE_INFINITY): ReportedTerm {
    const { belief, place, term, lastCheckpoint, process } = this;
    const endedAtMs = Math.min(belief.endedAtMs ?? Number.POSITIVE_INFINITY, takenAwayAtMs);
    return {
      ...{ process: process.name, place, term, lastCheckpoint, wonAtMs: belief.fromMs },
      ...(Number.isFinite(endedAtMs) ? { endedAtMs } : {}),
    };
  }
}
