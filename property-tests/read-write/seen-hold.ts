import type { History, Life, ReadWriteGrant } from '../../src/checkers/index.js';
import { proofOf } from '../../src/checkers/place-order.js';
import { isQuorateError } from '../../src/errors.js';
import type { ReadWriteHold } from '../../src/locks/read-write/holds.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import type { Key } from '../../src/store/index.js';
import { Belief } from '../support/belief.js';
import type { Seat } from '../support/seats.js';

export interface SeenHoldParts {
  readonly seat: Seat;
  readonly hold: ReadWriteHold;
  /** The prefix of the places. */
  readonly line: Key;
  /** It was made of this one by an upgrade or a downgrade. */
  readonly turnedFrom?: SeenHold | undefined;
  readonly nowMs: () => number;
}

/** One hold, as its process saw it. */
export class SeenHold {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly readKey: Key;
  readonly writeKey: Key | undefined;
  readonly token: number;
  readonly turnedFrom: SeenHold | undefined;
  readonly belief: Belief;
  /** By the process's own clock. */
  readonly monotonicMs: number;
  /** When its release had waited for what was written under it. */
  settledAtMs: number | undefined;
  /** Nobody knows what became of a write under it. */
  hasUnknown = false;
  readonly #signal: AbortSignal;

  constructor({ seat, hold, line, turnedFrom, nowMs }: SeenHoldParts) {
    const { process, client } = seat;
    const keys = hold.guards().map(({ key }) => key);
    this.process = process;
    this.incarnation = process.incarnation;
    this.readKey = keys.find((key) => key.startsWith(`${line}r/`)) ?? 'none';
    this.writeKey = keys.find((key) => key.startsWith(`${line}w/`));
    this.token = hold.token;
    this.turnedFrom = turnedFrom;
    this.#signal = hold.signal;
    this.monotonicMs = client.runtime.monotonicMs();
    this.belief = new Belief({ process, nowMs, signal: hold.signal, isHeld: () => hold.isHeld });
  }

  /** The code of the error that it was lost with; undefined if it was not. */
  get lostWith(): string | undefined {
    const { aborted, reason } = this.#signal;
    return aborted && isQuorateError(reason) ? reason.code : undefined;
  }

  /** What is written under it. */
  get mark(): string {
    return [this.token, this.readKey, this.writeKey].filter((part) => part !== undefined).join(' ');
  }

  /** Its keys, in the history. */
  livesIn(history: History): readonly Life[] {
    const proof = proofOf(this.token);
    const keys = this.writeKey === undefined ? [this.readKey] : [this.readKey, this.writeKey];
    return keys.flatMap((key) => history.lifeAt(key, proof) ?? []);
  }

  /** For the checker. `takenAwayAtMs`: somebody deleted a key of it then, and that it was believed in longer is not its fault. */
  asGrant(takenAwayAtMs = Number.POSITIVE_INFINITY): ReadWriteGrant {
    const { belief, readKey, writeKey, token, settledAtMs, hasUnknown, turnedFrom } = this;
    const endedAtMs = Math.min(belief.endedAtMs ?? Number.POSITIVE_INFINITY, takenAwayAtMs);
    return {
      ...{ process: this.process.name, readKey, token, grantedAtMs: belief.fromMs },
      ...(writeKey === undefined ? {} : { writeKey }),
      ...(turnedFrom === undefined ? {} : { turnedFrom: turnedFrom.token }),
      ...(Number.isFinite(endedAtMs) ? { endedAtMs } : {}),
      // The guard of readers that share a place outlives what one of them does not know.
      ...(settledAtMs === undefined || (hasUnknown && writeKey === undefined) ? {} : { settledAtMs }),
    };
  }
}
