import type { AgeClock, Instant } from '../runtime/index.js';

/** A mirror that stands at `revision` shows all that had been committed at `sentAt`. */
interface Proof {
  readonly revision: number;
  readonly sentAt: Instant;
}

/**
 * As of when a mirror is fresh: the moment at which the last proof was sent that it has fulfilled. Of those that it has not, the
 * first and the last are remembered: the first is fulfilled soonest, and with the last all are.
 */
export class Freshness {
  readonly #clock: AgeClock;
  /** The mirror stands at this revision; -1: it is not loaded. */
  #standing = -1;
  #asOf: Instant | undefined;
  #owed: readonly Proof[] = [];

  constructor(clock: AgeClock) {
    this.#clock = clock;
  }

  get asOf(): Instant | undefined {
    return this.#asOf;
  }

  /** By the clock that counts most. Infinite before the first proof. */
  get ageMs(): number {
    return this.#asOf === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.#clock.ageMs(this.#asOf));
  }

  /** A revision that a proof asks for, and that the mirror does not stand at. */
  get owes(): number | undefined {
    return this.#owed[0]?.revision;
  }

  proved(proof: Proof): void {
    if (proof.revision <= this.#standing) this.#fulfilled(proof);
    else this.#owed = [...this.#owed.slice(0, 1), proof];
  }

  stands(revision: number): void {
    this.#standing = revision;
    for (const proof of this.#owed) if (proof.revision <= revision) this.#fulfilled(proof);
    if (this.#owed.length > 0) this.#owed = this.#owed.filter((proof) => proof.revision > revision);
  }

  #fulfilled({ sentAt }: Proof): void {
    if (this.#asOf === undefined || sentAt.elapsedMs > this.#asOf.elapsedMs) this.#asOf = sentAt;
  }
}
