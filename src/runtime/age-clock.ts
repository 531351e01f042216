import { ElapsedClock } from './elapsed.js';
import type { Runtime } from './runtime.js';

/** What the two clocks of a process showed at one moment. */
export interface ClockReading {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** A moment, by every clock there is. */
export interface Instant extends ClockReading {
  readonly elapsedMs: number;
}

/** Marks that are kept. Of what is older than all of them only the two clocks tell the age. */
const mostMarks = 64;
/** A leap of the elapsed clock ahead of the monotonic one by so much is marked when it is noticed. */
const leapMs = 5;

/**
 * Measures ages so that no clock can make them too small: the largest of what the elapsed clock, the monotonic
 * and the wall clock count. The elapsed clock alone remembers a sleep that a step back of the wall clock would
 * hide, but forgives differences up to its tolerance, which the other two, read since the same moment, do not.
 */
export class AgeClock {
  readonly #runtime: Runtime;
  readonly #elapsed: ElapsedClock;
  readonly #marks: Instant[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#elapsed = new ElapsedClock(runtime);
    this.#keep(this.#read());
  }

  now(): Instant {
    const now = this.#read();
    const last = this.#marks.at(-1) as Instant;
    if (now.elapsedMs - now.monotonicMs > last.elapsedMs - last.monotonicMs + leapMs) this.#keep(now);
    return now;
  }

  ageMs(since: Instant): number {
    const now = this.now();
    return Math.max(
      now.elapsedMs - since.elapsedMs,
      now.monotonicMs - since.monotonicMs,
      now.wallMs - since.wallMs,
    );
  }

  /** Remembers this moment, for {@link at}. To be called now and then; leaps are remembered as they are noticed. */
  mark(): void {
    this.#keep(this.#read());
  }

  /**
   * The moment at which another thread of this process read the clocks. Whatever this clock came to know of sleep after
   * its last mark before that moment is taken to have been after it, so the age is never too small.
   */
  at(reading: ClockReading): Instant {
    const { monotonicMs, wallMs } = reading;
    const before =
      this.#marks.findLast((mark) => mark.monotonicMs <= monotonicMs) ?? (this.#marks[0] as Instant);
    return { elapsedMs: before.elapsedMs + (monotonicMs - before.monotonicMs), monotonicMs, wallMs };
  }

  #read(): Instant {
    return {
      elapsedMs: this.#elapsed.nowMs(),
      monotonicMs: this.#runtime.monotonicMs(),
      wallMs: this.#runtime.wallMs(),
    };
  }

  #keep(mark: Instant): void {
    this.#marks.push(mark);
    if (this.#marks.length > mostMarks) this.#marks.shift();
  }
}
