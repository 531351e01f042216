import type { EventHost, EventLoop, SimulatedEvent } from '../time/event-loop.js';

/** One life of a process, from its start to its crash. What it waits for when it dies never comes. */
export class Incarnation implements EventHost {
  readonly number: number;
  readonly #loop: EventLoop;
  #pauses = 0;
  #resumed = 0;
  #dead = false;
  #deferred: SimulatedEvent[] = [];

  constructor(number: number, loop: EventLoop) {
    this.number = number;
    this.#loop = loop;
  }

  get status(): 'running' | 'paused' | 'dead' {
    if (this.#dead) return 'dead';
    return this.#pauses > 0 ? 'paused' : 'running';
  }

  get resumed(): number {
    return this.#resumed;
  }

  defer(event: SimulatedEvent): void {
    this.#deferred.push(event);
  }

  /** It stands still until as many `resume`s. */
  pause(): void {
    this.#pauses += 1;
  }

  /**
   * It goes on as an event loop does after a stall: overdue timers first, by their time, and only then what has arrived
   * meanwhile.
   */
  resume(): void {
    this.#pauses -= 1;
    if (this.status !== 'running') return;
    this.#resumed += 1;
    const deferred = this.#deferred;
    this.#deferred = [];
    const timers = deferred.filter(({ isTimer }) => isTimer);
    this.#loop.readmit([...timers, ...deferred.filter(({ isTimer }) => !isTimer)]);
  }

  die(): void {
    this.#dead = true;
    this.#deferred = [];
  }
}
