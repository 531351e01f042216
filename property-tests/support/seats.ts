import { sleep } from '../../src/runtime/index.js';
import type { Client, Session } from '../../src/session/index.js';
import type { FaultWindow, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import type { Store } from '../../src/store/index.js';
import { type Patience, waitOptions } from './holding.js';
import { openClient } from './open-client.js';
import type { World } from './world.js';

/** Callers do not come more often than that once everything is healed. */
const healedRounds = 2;

/** When a caller comes, how often, and what befalls its process as it first has what it wants. */
export interface CallerPace {
  readonly rounds: number;
  readonly startMs: number;
  readonly gapMs: number;
  readonly stroke: 'none' | 'pause' | 'sleep' | 'crash';
  readonly strokeMs: number;
}

/** The caller as it is in a hurry, if it is to be. */
export function paced<P extends CallerPace>(plan: P, inHurry: boolean): P {
  return inHurry ? { ...plan, startMs: 0, gapMs: 0, rounds: Math.max(plan.rounds, 8) } : plan;
}

/** A process that has its client. */
export interface Seat {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly client: Client;
  /** The client's newest session. */
  readonly session: () => Session | undefined;
}

export interface WaitOf extends ReturnType<typeof waitOptions> {
  /** It never gives up. */
  readonly isPatient: boolean;
}

export interface SeatsOptions<P, S extends Seat> {
  readonly world: World;
  readonly ttlMs: number;
  /** What the process sees of its store. Default all of it. */
  readonly store?: (context: ProcessContext, process: SimulatedProcess) => Store;
  /** What it brings to its place, beside its client. */
  readonly furnish: (seat: Seat) => S;
  /** What one caller does once. */
  readonly round: (seat: S, plan: P) => Promise<void>;
  /** The process is about to start: what the one before it had is over. */
  readonly bury?: (process: SimulatedProcess) => void;
}

/**
 * Processes with callers, each of which comes again and again. A process may crash and start anew at any moment, and then
 * goes on with what was left of its callers' rounds.
 */
export class Seats<P extends CallerPace, S extends Seat> {
  readonly strokes: FaultWindow[] = [];
  isHealed = false;
  readonly #options: SeatsOptions<P, S>;
  readonly #processes: SimulatedProcess[] = [];
  readonly #seats = new Map<SimulatedProcess, S>();
  readonly #struck = new Set<P>();

  constructor(options: SeatsOptions<P, S>) {
    this.#options = options;
  }

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  /** Of the process of this number, modulo their count; undefined before it has one. */
  clientOf(target: number): Client | undefined {
    const process = this.#processes[target % this.#processes.length];
    return process && this.#seats.get(process)?.client;
  }

  /** Undefined before it has its client; of the incarnation before until it has one anew. */
  seatOf(process: SimulatedProcess): S | undefined {
    return this.#seats.get(process);
  }

  /** Of those processes that nothing hinders any more. */
  get core(): readonly S[] {
    return this.#processes.flatMap((process) => {
      const seat = this.#seats.get(process);
      return process.isCore && seat !== undefined ? [seat] : [];
    });
  }

  /** The first one whose callers have not had what they want, though nothing hinders it any more. */
  get pending(): SimulatedProcess | undefined {
    return this.#processes.find(({ isCore, status }) => isCore && status !== 'finished');
  }

  /** The same as a sentence: who it is, and what it still `does`. */
  left(does: string): string | undefined {
    const { pending } = this;
    return pending && `${pending.name} ${does}`;
  }

  start(callers: readonly P[]): void {
    const { world, bury, furnish, round } = this.#options;
    const roundsLeft = callers.map(({ rounds }) => rounds);
    const process = world.start(`process ${this.#processes.length}`, async (context) => {
      bury?.(process);
      const seat = furnish(await this.#open(process, context));
      this.#seats.set(process, seat);
      const work = callers.map(async (plan, index) => {
        await sleep(context.runtime, plan.startMs);
        let left = roundsLeft[index] ?? 0;
        while (left > 0) {
          left = Math.min(left, this.isHealed ? healedRounds : left) - 1;
          roundsLeft[index] = left;
          await round(seat, plan);
          await sleep(context.runtime, plan.gapMs);
        }
      });
      await Promise.all(work);
    });
    this.#processes.push(process);
  }

  /** Under faults until all have had what they want, or time is up; then the healing. */
  async safetyPhase(atMostMs: number): Promise<void> {
    const { world } = this.#options;
    const isDone = () => this.#processes.every(({ status }) => status === 'finished');
    await world.safetyPhase(isDone, atMostMs);
    world.heal();
    this.isHealed = true;
  }

  /** The options of a caller's wait, and what to do when that is over: it takes what it takes once everything is healed. */
  waitOf({ client }: Pick<Seat, 'client'>, plan: Patience): WaitOf {
    const isPatient = plan.patienceMs === 0 || this.isHealed;
    return { isPatient, ...waitOptions(isPatient ? { ...plan, patienceMs: 0 } : plan, client) };
  }

  /** Befalls the process what the plan has for it, the first time that this is asked for. */
  strike(plan: P, process: SimulatedProcess): void {
    const { stroke, strokeMs } = plan;
    if (stroke === 'none' || this.isHealed || this.#struck.has(plan)) return;
    this.#struck.add(plan);
    const { simulation } = this.#options.world;
    const window = {
      kind: stroke,
      atMs: simulation.nowMs,
      durationMs: strokeMs,
      target: process.index,
    };
    this.strokes.push(window);
    simulation.inject(window);
  }

  async #open(process: SimulatedProcess, context: ProcessContext): Promise<Seat> {
    const { world, ttlMs, store } = this.#options;
    const { knobs } = world.plan;
    const seen = store?.(context, process) ?? context.store;
    const client = await openClient(context, { store: seen, ttlMs, knobs });
    let session: Session | undefined;
    client.onSessionChange((change) => {
      if (change.previous === undefined) session = change.session;
      context.note(`session ${change.session.id} is ${change.state.status}`);
    });
    return { process, incarnation: context.incarnation, client, session: () => session };
  }
}
