/** The newest turn of an event loop that another thread can see, by the monotonic clock that both share. */
export class LifeSign {
  /** To be sent to the other thread. */
  readonly buffer: SharedArrayBuffer;
  readonly #word: BigInt64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.buffer = buffer;
    this.#word = new BigInt64Array(buffer);
  }

  /** The event loop turns. */
  give(sharedMs: number): void {
    Atomics.store(this.#word, 0, BigInt(Math.floor(sharedMs * 1_000)));
  }

  ageMs(sharedMs: number): number {
    return sharedMs - Number(Atomics.load(this.#word, 0)) / 1_000;
  }
}
