import type { Grant, History, Life } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { Hold } from '../../src/locks/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import { Belief } from '../support/belief.js';
import type { SeenMutex } from './seen-mutex.js';

/** One hold, as its process saw it. */
export class SeenGrant {
  readonly mutex: SeenMutex;
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly place: Key;
  /** Revision that created the place, or handed it over. */
  readonly revision: number;
  readonly token: number;
  readonly belief: Belief;
  /** By the process's own clock. */
  readonly monotonicMs: number;
  settledAtMs: number | undefined;
  #died = false;
  readonly #signal: AbortSignal;

  constructor(mutex: SeenMutex, hold: Hold) {
    const { process, nowMs } = mutex;
    const guard = hold.guard();
    this.mutex = mutex;
    this.process = process;
    this.incarnation = process.incarnation;
    this.place = guard.key;
    this.revision = Number(guard.operand);
    this.token = hold.token;
    this.#signal = hold.signal;
    this.monotonicMs = mutex.runtime.monotonicMs();
    this.belief = new Belief({ process, nowMs, signal: hold.signal, isHeld: () => hold.isHeld });
  }

  /** The code of the error that it was lost with; undefined if it was not. */
  get lostWith(): string | undefined {
    const { aborted, reason } = this.#signal;
    return aborted && isQuorateError(reason) ? reason.code : undefined;
  }

  /** Its process has crashed. */
  die(): void {
    if (this.belief.endedAtMs !== undefined) return;
    this.#died = true;
    this.belief.end();
  }

  /** It ended by a loss, or with its process, before it was given up. */
  get wasNotReleased(): boolean {
    return this.#died || this.belief.wasLost;
  }

  /** Its place, in the history. */
  lifeIn(history: History): Life | undefined {
    return history.livesOf(this.place).find(({ from, to }) => from <= this.revision && this.revision < to);
  }

  /** For the checkers. `takenAwayAtMs`: somebody deleted its place then, and that it was believed in longer is not its fault. */
  asGrant(takenAwayAtMs = Number.POSITIVE_INFINITY): Grant {
    const { belief, place, token, settledAtMs } = this;
    const endedAtMs = Math.min(belief.endedAtMs ?? Number.POSITIVE_INFINITY, takenAwayAtMs);
    return {
      ...{ process: this.process.name, place, token, grantedAtMs: belief.fromMs },
      ...(Number.isFinite(endedAtMs) ? { endedAtMs } : {}),
      ...(settledAtMs === undefined ? {} : { settledAtMs }),
    };
  }
}
