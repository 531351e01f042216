import type { Runtime } from '../../runtime/index.js';
import type { Store } from '../../store/index.js';
import type { Link } from '../network/link.js';
import { SimulatedStore } from '../network/simulated-store.js';
import type { SeededRandom } from '../random.js';
import type { EventLoop } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import { Incarnation } from './incarnation.js';
import type { ProcessClock } from './process-clock.js';
import { ProcessRuntime } from './process-runtime.js';

/** Another event loop of a process: a worker thread with timers and a connection of its own, by the clocks of all. */
export interface ProcessThread {
  readonly runtime: Runtime;
  readonly store: Store;
}

/** What a process has: all its time, chance and contact with others come through here. */
export interface ProcessContext {
  readonly name: string;
  /** 0 at first, one more after each crash. */
  readonly incarnation: number;
  readonly runtime: Runtime;
  /** Its connection to the cluster, as `openEtcd3Store` gives one. */
  readonly store: Store;
  /** Another connection. */
  connect(): Store;
  /** Starts another thread, which goes on while only the event loop of this one is blocked. */
  startThread(): ProcessThread;
  /** Puts a line into the timeline. */
  note(text: string): void;
}

/** What a process does, from its start. It is run anew, as a new incarnation, when the process starts after a crash. */
export type ProcessMain = (context: ProcessContext) => Promise<void> | void;

export interface ProcessParts {
  readonly name: string;
  readonly index: number;
  readonly main: ProcessMain;
  readonly loop: EventLoop;
  readonly clock: ProcessClock;
  readonly link: Link;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
}

/**
 * A process on a machine of its own. It can crash and be started anew, with nothing but its machine's clocks left of
 * it, stand still, and sleep with its machine.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly index: number;
  readonly clock: ProcessClock;
  readonly link: Link;
  readonly #parts: ProcessParts;
  #current: Incarnation;
  /** Of the incarnation of now. */
  #threads: Incarnation[] = [];
  #finished = false;
  #core = true;
  /** Sleeps of its machine that have not ended, each with what ends it for the incarnation of now. */
  readonly #sleeps = new Set<{ resume: () => void }>();
  readonly #standstills: { readonly fromMs: number; toMs?: number }[] = [];

  /** Processes are made by `simulation.start`. */
  constructor(parts: ProcessParts) {
    this.name = parts.name;
    this.index = parts.index;
    this.clock = parts.clock;
    this.link = parts.link;
    this.#parts = parts;
    this.#current = new Incarnation(0, parts.loop);
    this.#boot();
  }

  /** `finished`: its main function has returned. */
  get status(): 'running' | 'paused' | 'finished' | 'crashed' {
    const { status } = this.#current;
    if (status === 'dead') return 'crashed';
    if (this.#finished) return 'finished';
    return status;
  }

  get incarnation(): number {
    return this.#current.number;
  }

  /** False once a healing has left it broken for ever. */
  get isCore(): boolean {
    return this.#core;
  }

  /** True times in which it did nothing at all: paused, asleep or dead. One without end goes on. */
  get standstills(): readonly { readonly fromMs: number; readonly toMs?: number }[] {
    return this.#standstills;
  }

  /** It will not be healed: nobody may wait for it any more. */
  leaveBroken(): void {
    this.#core = false;
  }

  /** It dies at once. What it has sent is on its way all the same. */
  crash(): void {
    if (this.#current.status === 'dead') return;
    this.#note('crashes');
    for (const each of [this.#current, ...this.#threads]) each.die();
    this.#noteStandstill();
  }

  /** Starts it anew, if it has crashed. */
  restart(): void {
    if (this.#current.status !== 'dead') return;
    this.#current = new Incarnation(this.#current.number + 1, this.#parts.loop);
    this.#threads = [];
    this.#finished = false;
    // Nothing runs on a machine that sleeps.
    for (const asleep of this.#sleeps) asleep.resume = this.pause().resume;
    this.#noteStandstill();
    this.#boot();
  }

  /** It stands still until `resume`, which belongs to this pause alone: after a crash it does nothing. */
  pause(): { resume(): void } {
    return this.#halt([this.#current, ...this.#threads]);
  }

  /** Its event loop is blocked until `resume`, while its other threads go on. */
  stall(): { resume(): void } {
    return this.#halt([this.#current]);
  }

  /** Its machine sleeps until `wake`, whatever is started on it meanwhile: it stands still, and so does its monotonic clock. */
  sleep(): { wake(): void } {
    const asleep = { resume: this.pause().resume };
    this.#sleeps.add(asleep);
    this.clock.fallAsleep();
    return {
      wake: () => {
        this.#sleeps.delete(asleep);
        if (this.#sleeps.size === 0) this.clock.wakeUp();
        asleep.resume();
      },
    };
  }

  #halt(halted: readonly Incarnation[]): { resume(): void } {
    const [main] = halted;
    this.#note('stands still');
    for (const each of halted) each.pause();
    this.#noteStandstill();
    return {
      resume: () => {
        if (main === this.#current) this.#note('goes on');
        for (const each of halted) each.resume();
        this.#noteStandstill();
      },
    };
  }

  #boot(): void {
    const { name, main, loop, clock, link, random, timeline } = this.#parts;
    const incarnation = this.#current;
    const chance = random.fork(`incarnation ${incarnation.number}`);
    const runtime = new ProcessRuntime(loop, incarnation, clock, chance.fork('runtime'));
    let stores = 0;
    const connectFrom = (host: Incarnation, hostRuntime: Runtime) => {
      stores += 1;
      return new SimulatedStore({
        ...{ loop, link, timeline, host, runtime: hostRuntime, actor: name },
        random: chance.fork(`store ${stores}`),
      });
    };
    const connect = () => connectFrom(incarnation, runtime);
    const startThread = (): ProcessThread => {
      const thread = new Incarnation(incarnation.number, loop);
      if (incarnation === this.#current) this.#threads.push(thread);
      else thread.die();
      const random = chance.fork(`thread ${this.#threads.length}`);
      const threadRuntime = new ProcessRuntime(loop, thread, clock, random);
      return { runtime: threadRuntime, store: connectFrom(thread, threadRuntime) };
    };
    const context: ProcessContext = {
      ...{ name, incarnation: incarnation.number, runtime, connect, startThread },
      store: connect(),
      note: (text) => timeline.note(name, () => text),
    };
    const start = async () => {
      try {
        this.#note(`starts, incarnation ${incarnation.number}`);
        await main(context);
        if (incarnation !== this.#current) return;
        this.#finished = true;
        this.#note('has finished');
      } catch (error) {
        loop.fail(error);
      }
    };
    loop.after(0, () => void start(), incarnation);
  }

  #noteStandstill(): void {
    const { nowMs } = this.#parts.loop;
    const last = this.#standstills.at(-1);
    const wasStill = last !== undefined && last.toMs === undefined;
    const isStill = this.#current.status !== 'running';
    if (isStill && !wasStill) this.#standstills.push({ fromMs: nowMs });
    else if (!isStill && wasStill) last.toMs = nowMs;
  }

  #note(text: string): void {
    this.#parts.timeline.note(this.name, () => text);
  }
}
