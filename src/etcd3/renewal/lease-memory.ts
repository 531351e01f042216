/**
 * What two threads tell each other without a turn of the event loop of either: 64 bytes for each lease.
 *
 * Word 0 holds a sequence number in its lower half, and in its upper half whether the lease shall not be renewed any
 * more. Then two entries of three words: send by the shared monotonic clock and by the wall clock, in microseconds,
 * and the TTL in the reply, in milliseconds.
 *
 * The thread that renews is the only writer of entries. It writes into the one that is not valid, and then makes it valid
 * by the sequence number, whose parity tells which one is. A reader takes an entry for whole only if the number is still
 * the same after it has read: while it is, the writer touches only the other entry. A writer that is ended in the
 * middle leaves the last whole entry valid; no reader ever waits for it.
 */
import type { ClockReading } from '../../runtime/index.js';

const bytes = 64;
const sequenceHalf = 0;
const stoppedHalf = 1;
const firstEntry = 1;
const wordsPerEntry = 3;
/** Renewals are hundreds of milliseconds apart: a reader that meets two of them was halted in between. */
const mostAttempts = 100;

/** An acknowledged keep-alive, by the clocks that all threads share. */
export interface WrittenRenewal {
  readonly sequence: number;
  readonly sent: ClockReading;
  readonly ttlMs: number;
}

export class LeaseMemory {
  /** To be sent to the other thread. */
  readonly buffer: SharedArrayBuffer;
  readonly #words: BigInt64Array;
  readonly #halves: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(bytes)) {
    this.buffer = buffer;
    this.#words = new BigInt64Array(buffer);
    this.#halves = new Int32Array(buffer);
  }

  /** Changes with each renewal; 0 before the first. */
  get sequence(): number {
    return Atomics.load(this.#halves, sequenceHalf);
  }

  get isStopped(): boolean {
    return Atomics.load(this.#halves, stoppedHalf) !== 0;
  }

  /** Whoever renews the lease sees it before its next keep-alive. */
  stop(): void {
    Atomics.store(this.#halves, stoppedHalf, 1);
  }

  /** For the one thread that renews. Instants are rounded down, so that no age becomes too small. */
  write(sent: ClockReading, ttlMs: number): void {
    const next = (this.sequence + 1) | 0;
    const at = entryOf(next);
    Atomics.store(this.#words, at, microseconds(sent.monotonicMs));
    Atomics.store(this.#words, at + 1, microseconds(sent.wallMs));
    Atomics.store(this.#words, at + 2, BigInt(Math.trunc(ttlMs)));
    Atomics.store(this.#halves, sequenceHalf, next);
  }

  /** The newest whole entry; undefined before the first. */
  read(): WrittenRenewal | undefined {
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      const { sequence } = this;
      if (sequence === 0) return undefined;
      const at = entryOf(sequence);
      const monotonicMs = Number(Atomics.load(this.#words, at)) / 1_000;
      const wallMs = Number(Atomics.load(this.#words, at + 1)) / 1_000;
      const ttlMs = Number(Atomics.load(this.#words, at + 2));
      if (this.sequence === sequence) return { sequence, sent: { monotonicMs, wallMs }, ttlMs };
    }
    return undefined;
  }
}

function entryOf(sequence: number): number {
  return firstEntry + (sequence & 1) * wordsPerEntry;
}

function microseconds(ms: number): bigint {
  return BigInt(Math.floor(ms * 1_000));
}
