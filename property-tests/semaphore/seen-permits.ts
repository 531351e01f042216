import type { History, Life, SemaphoreGrant } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { SemaphoreHold } from '../../src/locks/semaphore/semaphore-hold.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import { Belief } from '../support/belief.js';
import type { Seat } from '../support/seats.js';

/** One hold, as its process saw it. */
export class SeenPermits {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly place: Key;
  /** Revision that created the place. */
  readonly revision: number;
  readonly weight: number;
  readonly token: number;
  readonly belief: Belief;
  /** By the process's own clock. */
  readonly monotonicMs: number;
  settledAtMs: number | undefined;
  readonly #signal: AbortSignal;

  constructor({ process, client }: Seat, hold: SemaphoreHold, nowMs: () => number) {
    const guard = hold.guard();
    this.process = process;
    this.incarnation = process.incarnation;
    this.place = guard.key;
    this.revision = Number(guard.operand);
    this.weight = hold.weight;
    this.token = hold.token;
    this.#signal = hold.signal;
    this.monotonicMs = client.runtime.monotonicMs();
    this.belief = new Belief({ process, nowMs, signal: hold.signal, isHeld: () => hold.isHeld });
  }

  /** The code of the error that it was lost with; undefined if it was not. */
  get lostWith(): string | undefined {
    const { aborted, reason } = this.#signal;
    return aborted && isQuorateError(reason) ? reason.code : undefined;
  }

  /** Its place, in the history. */
  lifeIn(history: History): Life | undefined {
    return history.livesOf(this.place).find(({ from }) => from === this.revision);
  }

  /** For the checker. `takenAwayAtMs`: somebody deleted its place then, and that it was believed in longer is not its fault. */
  asGrant(takenAwayAtMs = Number.POSITIVE_INFINITY): SemaphoreGrant {
    const { belief, place, weight, token, settledAtMs } = this;
    const endedAtMs = Math.min(belief.endedAtMs ?? Number.POSITIVE_INFINITY, takenAwayAtMs);
    return {
      ...{ process: this.process.name, place, weight, token, grantedAtMs: belief.fromMs },
      ...(Number.isFinite(endedAtMs) ? { endedAtMs } : {}),
      ...(settledAtMs === undefined ? {} : { settledAtMs }),
    };
  }
}
