import type { Runtime, Timer } from '../../src/runtime/index.js';

interface ManualTimer {
  readonly dueAtMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** True time, which passes only in `advance`. Several runtimes ("machines") may live in it. */
export class ManualTime {
  readonly #machines: ManualRuntime[] = [];
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Answers how many machines there are now. */
  join(machine: ManualRuntime): number {
    return this.#machines.push(machine);
  }

  /** Lets true time pass; every timer that falls due fires at its time, and what it set off settles, in order. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#machines
        .map((machine) => ({ machine, inMs: machine.nextTimerInMs() }))
        .filter((entry) => this.#nowMs + entry.inMs <= untilMs)
        .sort((a, b) => a.inMs - b.inMs)[0];
      if (next === undefined) break;
      this.#pass(next.inMs);
      next.machine.fireNext();
      await settle();
    }
    this.#pass(untilMs - this.#nowMs);
  }

  #pass(ms: number): void {
    for (const machine of this.#machines) machine.pass(ms);
    this.#nowMs += ms;
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export interface ManualRuntimeOptions {
  /** Share it to put several machines on one true time. */
  time?: ManualTime;
  /** Local milliseconds for each true one: 1.01 is a clock 1 % fast. */
  rate?: number;
  seed?: number;
}

/** A machine with hand-driven clocks and timers, on which time goes wrong in all the ways it does. */
export class ManualRuntime implements Runtime {
  readonly time: ManualTime;
  readonly #rate: number;
  readonly #timers = new Set<ManualTimer>();
  #monotonicMs = 1_000;
  #wallMs = 1_700_000_000_000;
  #asleep = false;
  #paused = false;
  #order = 0;
  #random: number;
  #ids = 0;

  constructor(options: ManualRuntimeOptions = {}) {
    this.time = options.time ?? new ManualTime();
    this.#rate = options.rate ?? 1;
    const machines = this.time.join(this);
    this.#random = options.seed ?? machines;
  }

  /** Timers that are set, background ones included. */
  get timerCount(): number {
    return this.#timers.size;
  }

  advance(ms: number): Promise<void> {
    return this.time.advance(ms);
  }

  /** The process stands still: clocks go on, no timer fires before `resume`. */
  pause(): void {
    this.#paused = true;
  }

  /** Timers that fell due meanwhile fire, late, at the next `advance` (of 0 ms, say). */
  resume(): void {
    this.#paused = false;
  }

  /** The machine sleeps: the monotonic clock stops, and every timer with it; the wall clock goes on. */
  sleepMachine(): void {
    this.#asleep = true;
  }

  wakeMachine(): void {
    this.#asleep = false;
  }

  stepWall(ms: number): void {
    this.#wallMs += ms;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    this.#order += 1;
    // A remainder too small to change the sum would fire for ever without time passing. Real timers are far coarser.
    const delay = delayMs > 0 ? Math.max(delayMs, 0.01) : 0;
    const timer = { dueAtMs: this.#monotonicMs + delay, order: this.#order, callback };
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
      },
    };
  }

  nextTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }

  random(): number {
    // Park and Miller's generator: reproducible, and uniform enough for jitter.
    this.#random = (this.#random * 48_271) % 2_147_483_647;
    return this.#random / 2_147_483_647;
  }

  newId(): string {
    this.#ids += 1;
    const high = Math.floor(this.random() * 0xffff_ffff) + 1;
    return high.toString(16).padStart(8, '0') + this.#ids.toString(16).padStart(8, '0');
  }

  /** For {@link ManualTime}: true milliseconds until the first timer may fire. */
  nextTimerInMs(): number {
    const next = this.#next();
    if (next === undefined || this.#paused || this.#asleep) return Number.POSITIVE_INFINITY;
    return Math.max(0, (next.dueAtMs - this.#monotonicMs) / this.#rate);
  }

  fireNext(): void {
    const next = this.#next();
    if (next === undefined) return;
    this.#timers.delete(next);
    next.callback();
  }

  pass(ms: number): void {
    this.#wallMs += ms * this.#rate;
    if (!this.#asleep) this.#monotonicMs += ms * this.#rate;
  }

  #next(): ManualTimer | undefined {
    let next: ManualTimer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueAtMs < next.dueAtMs) next = timer;
      else if (timer.dueAtMs === next.dueAtMs && timer.order < next.order) next = timer;
    }
    return next;
  }
}
