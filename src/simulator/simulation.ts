import { Engine } from '../engine/index.js';
import { invalidArgument } from '../errors.js';
import type { HistoryEntry, Store } from '../store/index.js';
import { Cluster } from './cluster/cluster.js';
import { FaultCounts } from './faults/fault-counts.js';
import { FaultSchedule } from './faults/fault-schedule.js';
import type { FaultWindow } from './faults/fault-window.js';
import { Link } from './network/link.js';
import { SimulatedStore } from './network/simulated-store.js';
import { Incarnation } from './process/incarnation.js';
import { ProcessClock } from './process/process-clock.js';
import { ProcessRuntime } from './process/process-runtime.js';
import { type ProcessMain, SimulatedProcess } from './process/simulated-process.js';
import { SeededRandom } from './random.js';
import { EventLoop } from './time/event-loop.js';
import { Timeline } from './timeline.js';

export interface SimulationOptions {
  /** Of all chance. The same seed, options, faults and processes give the same run, event for event. */
  readonly seed: number;
  /** Members of the cluster. Default 3. */
  readonly members?: number;
  /** The rate of each clock is drawn within this fraction of true time. Default 0. */
  readonly clockRateError?: number;
  /** Ms that a message takes one way. Default 0.2 to 2. */
  readonly latencyMs?: { readonly min: number; readonly max: number };
  /** Default 1,000, as etcd's. */
  readonly electionTimeoutMs?: number;
  /** Keep a readable line of everything that happens. Slow. Default false. */
  readonly recordTimeline?: boolean;
}

export interface HealOptions {
  /**
   * Heal only a viable core: a quorum of members, and at least one process. The rest stays broken for ever, since what
   * gets on only when everything is well again does not get on in practice. Default false.
   */
  readonly core?: boolean;
}

/**
 * Processes, a network and an etcd cluster in virtual time, which passes as fast as the processor allows. Every clock,
 * timer, random draw, id and message of the processes comes from here, so a run is the same each time it is repeated.
 *
 * What the processes do must use the `runtime` and the `store` of their context, and nothing else that takes time:
 * an `await` of real input or of a real timer is not waited for.
 */
export class Simulation {
  /** The keys, leases and history of the cluster. To look at; requests go through a store. */
  readonly engine: Engine;
  readonly cluster: Cluster;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly #loop = new EventLoop();
  readonly #root: SeededRandom;
  readonly #counts = new FaultCounts();
  readonly #processes: SimulatedProcess[] = [];
  readonly #history: HistoryEntry[] = [];
  readonly #faults: FaultSchedule;
  readonly #latencyMs: { readonly min: number; readonly max: number };
  readonly #clockRateError: number;

  constructor(options: SimulationOptions) {
    const { seed, members = 3, clockRateError = 0, electionTimeoutMs = 1_000 } = options;
    const { latencyMs = { min: 0.2, max: 2 }, recordTimeline = false } = options;
    if (!Number.isSafeInteger(seed)) throw invalidArgument(`seed is ${seed}`, 'a whole number');
    if (!Number.isInteger(members) || members < 1) {
      throw invalidArgument(`members is ${members}`, 'a whole number from 1');
    }
    if (!(clockRateError >= 0 && clockRateError < 0.5)) {
      throw invalidArgument(`clockRateError is ${clockRateError}`, 'a fraction from 0 to below 0.5');
    }
    if (!(latencyMs.min >= 0 && latencyMs.max >= latencyMs.min && latencyMs.max < 10_000)) {
      throw invalidArgument(
        `latencyMs is ${latencyMs.min} to ${latencyMs.max}`,
        'two times from 0, in order',
      );
    }
    if (!(electionTimeoutMs > 0)) {
      throw invalidArgument(`electionTimeoutMs is ${electionTimeoutMs}`, 'a number of milliseconds above 0');
    }
    this.#root = new SeededRandom(seed);
    this.#latencyMs = latencyMs;
    this.#clockRateError = clockRateError;
    this.random = this.#root.fork('scenario');
    this.timeline = new Timeline(recordTimeline, () => this.#loop.nowMs);
    const minLeaseTtlSeconds = Math.ceil((electionTimeoutMs * 1.5) / 1_000);
    this.engine = new Engine({ minLeaseTtlSeconds });
    this.engine.watch({ key: '\0', rangeEnd: '\0' }, (item) => {
      if (item.type !== 'events') return;
      this.#history.push({ revision: item.revision, events: item.events, atMs: this.#loop.nowMs });
    });
    const shared = { loop: this.#loop, timeline: this.timeline, counts: this.#counts };
    this.cluster = new Cluster({
      ...{ ...shared, engine: this.engine, random: this.#root.fork('cluster') },
      ...{ memberCount: members, clockRateError, electionTimeoutMs },
    });
    this.#faults = new FaultSchedule({
      ...{ ...shared, cluster: this.cluster, processes: this.#processes, random: this.#root.fork('faults') },
    });
  }

  /** True virtual time, in ms from the beginning. */
  get nowMs(): number {
    return this.#loop.nowMs;
  }

  /** How many events have run. */
  get events(): number {
    return this.#loop.events;
  }

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  /** Every revision of the cluster and its true time, whatever was compacted. */
  get history(): readonly HistoryEntry[] {
    return this.#history;
  }

  /** Faults that took effect, by what they did. */
  get faultsInjected(): ReadonlyMap<string, number> {
    return this.#counts.all;
  }

  /** A process on a machine of its own, which runs `main` from now on. An error of `main` ends the simulation. */
  start(name: string, main: ProcessMain): SimulatedProcess {
    const index = this.#processes.length;
    const random = this.#root.fork(`process ${index}`);
    const rate = 1 + random.between(-this.#clockRateError, this.#clockRateError);
    const process = new SimulatedProcess({
      ...{ name, index, main, random, loop: this.#loop, timeline: this.timeline },
      clock: new ProcessClock(() => this.#loop.nowMs, { rate, wallOffsetMs: random.between(-5_000, 5_000) }),
      link: this.#link(index),
    });
    this.#processes.push(process);
    return process;
  }

  /** A connection that no fault befalls and no cut reaches, at a clock that is right: for who looks on. */
  connect(): Store {
    const random = this.#root.fork('observer');
    const host = new Incarnation(0, this.#loop);
    const clock = new ProcessClock(() => this.#loop.nowMs, { rate: 1, wallOffsetMs: 0 });
    return new SimulatedStore({
      ...{ host, random, loop: this.#loop, timeline: this.timeline, actor: 'observer', link: this.#link(0) },
      runtime: new ProcessRuntime(this.#loop, host, clock, random),
    });
  }

  /** Lets a fault begin and end in its time; at once if that has passed. */
  inject(window: FaultWindow): void {
    this.#faults.add(window);
  }

  /**
   * Ends every fault and lets none begin any more; whoever crashed starts anew. What is on its way late arrives all the
   * same.
   */
  heal({ core = false }: HealOptions = {}): void {
    this.timeline.note('faults', () => (core ? 'a core heals' : 'everything heals'));
    this.#faults.healAll();
    if (core) this.#abandonTheRest();
  }

  /** Lets so much true virtual time pass. Rejects with what a process failed with. */
  async run(forMs: number): Promise<void> {
    await this.#loop.run(this.#loop.nowMs + forMs);
  }

  /** The same until `done`, which is asked after every event. False if the time passed first. */
  runUntil(done: () => boolean, withinMs: number): Promise<boolean> {
    return this.#loop.run(this.#loop.nowMs + withinMs, done);
  }

  #link(home: number): Link {
    return new Link({ cluster: this.cluster, counts: this.#counts, latencyMs: this.#latencyMs, home });
  }

  #abandonTheRest(): void {
    const { members } = this.cluster;
    const spare = members.length - (Math.floor(members.length / 2) + 1);
    const lost = this.random.shuffled(members).slice(0, this.random.integer(spare + 1));
    for (const member of lost) {
      this.#faults.breakForEver(this.random.pick(['member-crash', 'member-isolated']), member.index);
    }
    const broken = this.random
      .shuffled(this.#processes)
      .slice(0, this.random.integer(this.#processes.length));
    for (const process of broken) {
      process.leaveBroken();
      this.#faults.breakForEver(this.random.pick(['crash', 'cut-link', 'cut-replies']), process.index);
    }
  }
}
