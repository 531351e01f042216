import type { Grant, History, Life } from '../../src/checkers/index.js';
import type { SetGrant } from '../../src/checkers/multi-lock.js';
import { isQuorateError } from '../../src/errors.js';
import type { Hold } from '../../src/locks/index.js';
import type { MultiHold } from '../../src/locks/multi-lock/multi-hold.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Compare, Key } from '../../src/store/index.js';
import { Belief } from './belief.js';

export interface SeenPart {
  readonly name: string;
  readonly place: Key;
  readonly token: number;
}

/** One hold, of a mutex or of several locks at a time, as its process saw it. */
export class SeenHold {
  readonly by: 'set' | 'mutex';
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly parts: readonly SeenPart[];
  readonly belief: Belief;
  settledAtMs: number | undefined;
  readonly #signal: AbortSignal;

  constructor(options: {
    readonly hold: Hold | MultiHold;
    readonly names: readonly string[];
    readonly process: SimulatedProcess;
    readonly nowMs: () => number;
  }) {
    const { hold, names, process, nowMs } = options;
    const guards: readonly Compare[] = 'guards' in hold ? hold.guards() : [hold.guard()];
    this.by = 'guards' in hold ? 'set' : 'mutex';
    this.process = process;
    this.incarnation = process.incarnation;
    this.parts = names.map((name, index) => {
      const guard = guards[index] as Compare;
      const token = 'guards' in hold ? hold.token(name) : hold.token;
      return { name, place: guard.key, token };
    });
    this.#signal = hold.signal;
    this.belief = new Belief({ process, nowMs, signal: hold.signal, isHeld: () => hold.isHeld });
  }

  /** The code of the error that it was lost with; undefined if it was not. */
  get lostWith(): string | undefined {
    const { aborted, reason } = this.#signal;
    return aborted && isQuorateError(reason) ? reason.code : undefined;
  }

  part(name: string): SeenPart | undefined {
    return this.parts.find((one) => one.name === name);
  }

  lifeIn(history: History, { place, token }: SeenPart): Life | undefined {
    return history.lifeAt(place, Math.floor(token / 1_024));
  }

  /** For the checkers. `takenAwayAtMs`: somebody deleted the place then, and that it was believed in longer is not its fault. */
  asGrant({ place, token }: SeenPart, takenAwayAtMs = Number.POSITIVE_INFINITY): Grant {
    return { ...this.#seen(takenAwayAtMs), place, token };
  }

  asSet(lineOf: (name: string) => Key): SetGrant {
    const parts = this.parts.map(({ name, place, token }) => ({ line: lineOf(name), place, token }));
    return { ...this.#seen(Number.POSITIVE_INFINITY), parts };
  }

  #seen(takenAwayAtMs: number): Omit<Grant, 'place' | 'token'> {
    const { belief, settledAtMs } = this;
    const endedAtMs = Math.min(belief.endedAtMs ?? Number.POSITIVE_INFINITY, takenAwayAtMs);
    return {
      ...{ process: this.process.name, grantedAtMs: belief.fromMs },
      ...(Number.isFinite(endedAtMs) ? { endedAtMs } : {}),
      ...(settledAtMs === undefined ? {} : { settledAtMs }),
    };
  }
}
