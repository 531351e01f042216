const rounds = 16;

/**
 * Translates between the monotonic clock of one thread and the one that all threads share. They run alike and only
 * count from different moments. The difference is measured, and whatever the measurement leaves open is decided so
 * that a moment is translated to itself or earlier: the age of what happened then is never too small.
 */
export class ThreadClock {
  #largestMs = Number.POSITIVE_INFINITY;
  #smallestMs = Number.NEGATIVE_INFINITY;

  constructor(ownMs: () => number, sharedMs: () => number) {
    for (let round = 0; round < rounds; round += 1) {
      const before = sharedMs();
      const own = ownMs();
      const after = sharedMs();
      this.#largestMs = Math.min(this.#largestMs, after - own);
      this.#smallestMs = Math.max(this.#smallestMs, before - own);
    }
  }

  /** A moment of the shared clock on that of this thread. */
  toOwn(sharedMs: number): number {
    return sharedMs - this.#largestMs;
  }

  /** A moment of this thread's clock on the shared one. */
  toShared(ownMs: number): number {
    return ownMs + this.#smallestMs;
  }
}
