import { drained } from '../../runtime/index.js';
import { EventHeap } from './event-heap.js';

/** What stands still, or is dead, does not run events. Those of a host that stands still wait until it goes on. */
export interface EventHost {
  readonly status: 'running' | 'paused' | 'dead';
  /** How often it has gone on after a standstill. */
  readonly resumed: number;
  /** Takes an event that fell due while the host stood still, to give it back to the loop later. */
  defer(event: SimulatedEvent): void;
}

export interface SimulatedEvent {
  atMs: number;
  order: number;
  readonly isTimer: boolean;
  readonly run: () => void;
  readonly host: EventHost | undefined;
  /** Sets off no code of the users, so nothing has to be waited for after it. */
  readonly isInternal: boolean;
  cancelled: boolean;
}

/**
 * True virtual time: a list of what happens when. After each event, all that it set off and that waits only for its
 * turn runs to its end before the next, so the order of everything follows from the order of the events alone.
 */
export class EventLoop {
  readonly #heap = new EventHeap();
  #nowMs = 0;
  #order = 0;
  #events = 0;
  #failure: { readonly error: unknown } | undefined;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have run. */
  get events(): number {
    return this.#events;
  }

  /** Runs `run` for its host after `delayMs` of true time. */
  after(delayMs: number, run: () => void, host?: EventHost, isTimer = false): SimulatedEvent {
    return this.#add(delayMs, run, host, isTimer, false);
  }

  /** The same for what belongs to the simulation itself and calls no code of its users. */
  afterInternally(delayMs: number, run: () => void): SimulatedEvent {
    return this.#add(delayMs, run, undefined, false, true);
  }

  /** Gives back events that were deferred: they run now, in this order, after what is due now already. */
  readmit(events: readonly SimulatedEvent[]): void {
    for (const event of events) {
      this.#order += 1;
      event.atMs = this.#nowMs;
      event.order = this.#order;
      this.#heap.push(event);
    }
  }

  /** Ends the run that is going on with this error; the first one counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /** Lets time pass up to `untilMs`, or until `done`, which is asked after each event. True if it was done. */
  async run(untilMs: number, done?: () => boolean): Promise<boolean> {
    await drained();
    this.#throwFailure();
    while (!done?.()) {
      const event = this.#heap.peek();
      if (event === undefined || event.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      this.#heap.pop();
      if (event.cancelled || !this.#isRunnable(event)) continue;
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      this.#events += 1;
      event.run();
      if (event.isInternal) continue;
      await drained();
      this.#throwFailure();
    }
    return true;
  }

  #add(
    delayMs: number,
    run: () => void,
    host: EventHost | undefined,
    isTimer: boolean,
    isInternal: boolean,
  ): SimulatedEvent {
    this.#order += 1;
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const event = { atMs, order: this.#order, run, host, isTimer, isInternal, cancelled: false };
    this.#heap.push(event);
    return event;
  }

  #isRunnable(event: SimulatedEvent): boolean {
    const { host } = event;
    if (host === undefined || host.status === 'running') return true;
    if (host.status === 'paused') host.defer(event);
    return false;
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }
}
