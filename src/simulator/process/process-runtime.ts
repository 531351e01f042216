import type { Runtime, Timer } from '../../runtime/index.js';
import type { SeededRandom } from '../random.js';
import type { EventHost, EventLoop, SimulatedEvent } from '../time/event-loop.js';
import type { ProcessClock } from './process-clock.js';

/** Timers are coarser than clocks. A remainder too small to change a sum would fire for ever without time passing. */
const shortestDelayMs = 0.01;

/** A timer fires so much later than it was set for, at most, though the process has nothing else to do. */
const timerLatenessMs = 1;

/** The runtime of one incarnation of a process: its machine's clocks, its own timers and chance. */
export class ProcessRuntime implements Runtime {
  readonly #loop: EventLoop;
  readonly #host: EventHost;
  readonly #clock: ProcessClock;
  readonly #random: SeededRandom;
  readonly #startedAtMs: number;
  #ids = 0;

  constructor(loop: EventLoop, host: EventHost, clock: ProcessClock, random: SeededRandom) {
    this.#loop = loop;
    this.#host = host;
    this.#clock = clock;
    this.#random = random;
    this.#startedAtMs = clock.monotonicMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() - this.#startedAtMs;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const dueAtMs = this.monotonicMs() + (delayMs > 0 ? Math.max(delayMs, shortestDelayMs) : 0);
    const latenessMs = delayMs > 0 ? this.#random.next() * timerLatenessMs : 0;
    let event: SimulatedEvent;
    const arm = (inMs: number) => {
      event = this.#loop.after(inMs / this.#clock.rate, fire, this.#host, true);
    };
    const fire = () => {
      // The monotonic clock may have stopped for a while.
      const leftMs = dueAtMs - this.monotonicMs();
      if (leftMs > shortestDelayMs / 2) arm(leftMs);
      else callback();
    };
    arm(Math.max(0, dueAtMs - this.monotonicMs()) + latenessMs);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /**
   * Where the event loop stood still meanwhile, what has arrived by its end comes first: a loop that goes on reads its
   * sockets before it gives turns.
   */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      const wait = () => {
        const { resumed } = this.#host;
        this.#loop.after(0, () => (this.#host.resumed === resumed ? resolve() : wait()), this.#host);
      };
      wait();
    });
  }

  random(): number {
    return this.#random.next();
  }

  newId(): string {
    this.#ids += 1;
    const high = this.#random.integer(0xffff_ffff) + 1;
    const low = (this.#random.integer(0xffff) * 0x1_0000 + this.#ids) >>> 0;
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  }
}
