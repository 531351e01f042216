import type { Worker } from '../../../src/queues/index.js';
import { sleep } from '../../../src/runtime/index.js';
import type { Client } from '../../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../../src/simulator/index.js';
import type { Store } from '../../../src/store/index.js';
import type { openClient } from '../open-client.js';
import type { World } from '../world.js';
import { quietly } from './calls.js';
import { type Frailty, weaken } from './frailty.js';
import { openPlainClient } from './plain-client.js';

const reopenAfterMs = 300;
const graceMs = 200;
/** What would hold a queue up for ever is put right so often. */
const tidyEveryMs = 500;

export interface CrewOptions<Ways> {
  readonly world: World;
  readonly ttlMs: number;
  /** Of the phase under faults. */
  readonly safetyMs: number;
  /** What a process sees of its store, and what befalls its requests there. */
  readonly store: (process: SimulatedProcess, context: ProcessContext, ways?: Ways) => Store;
  /** Default: with the library's own settings. */
  readonly openClient?: typeof openClient;
}

/** How a process comes to its queue. */
export interface Entry<Q, Ways> {
  readonly ways?: (context: ProcessContext) => Ways;
  readonly queue: (client: Client, context: ProcessContext) => Q;
}

/** Items of a producer, or calls. */
export interface Bursts {
  readonly items: number;
  readonly burst: number;
  readonly gapMs: number;
}

export interface Producing<Q, Ways> extends Entry<Q, Ways> {
  /** Puts so many of its items, from this one on. */
  readonly put: (
    queue: Q,
    burst: { readonly from: number; readonly count: number },
    context: ProcessContext,
  ) => Promise<unknown>;
  /** It has put all, and is about to leave. */
  readonly linger?: (process: SimulatedProcess, context: ProcessContext) => Promise<void>;
}

export interface Working<Q, Ways> extends Entry<Q, Ways> {
  /** Who works from now on. */
  readonly hire: (queue: Q, context: ProcessContext, process: SimulatedProcess) => Worker<string>;
  /** Default: with a little grace. */
  readonly close?: (worker: Worker<string>) => Promise<void>;
}

export interface Deciding<Q, Ways, D> extends Entry<Q, Ways> {
  readonly decide: (queue: Q, decision: D, context: ProcessContext) => Promise<void>;
  /** What it is called, before its number. Default: operator. */
  readonly role?: string;
}

/**
 * The producers, workers and operators of a run of a queue, each a process of its own that may crash and start anew at any
 * moment. It goes on with what its predecessor had not begun.
 */
export class Crew<Ways> {
  readonly producers: SimulatedProcess[] = [];
  readonly workers: SimulatedProcess[] = [];
  readonly operators: SimulatedProcess[] = [];
  isHealed = false;
  readonly #options: CrewOptions<Ways>;

  constructor(options: CrewOptions<Ways>) {
    this.#options = options;
  }

  /** The first producer that has not put what it wants to, though nothing hinders it any more. */
  get pendingProducer(): SimulatedProcess | undefined {
    return this.producers.find(({ isCore, status }) => isCore && status !== 'finished');
  }

  /** Whether there is anybody to work whom nothing hinders any more. */
  get isManned(): boolean {
    return this.workers.some(({ isCore }) => isCore);
  }

  /** Who is not healed begins nothing more once others are. */
  goesOn({ isCore }: SimulatedProcess): boolean {
    return isCore || !this.isHealed;
  }

  open(process: SimulatedProcess, context: ProcessContext, ways?: Ways): Promise<Client> {
    const { world, ttlMs, store, openClient = openPlainClient } = this.#options;
    return openClient(context, { store: store(process, context, ways), ttlMs, knobs: world.plan.knobs });
  }

  startProducer<Q extends { close(): Promise<void> }>(
    { items, burst, gapMs }: Bursts,
    { ways, queue: enter, put, linger }: Producing<Q, Ways>,
  ): SimulatedProcess {
    let sent = 0;
    const name = `producer-${this.producers.length}`;
    const process = this.#options.world.start(name, async (context) => {
      const client = await this.open(process, context, ways?.(context));
      const queue = enter(client, context);
      while (sent < items && this.goesOn(process)) {
        const from = sent;
        const count = Math.min(burst, items - from);
        sent += count;
        await put(queue, { from, count }, context);
        if (gapMs > 0) await sleep(context.runtime, gapMs);
      }
      if (linger !== undefined) await linger(process, context);
      await queue.close();
      await client.close();
    });
    this.producers.push(process);
    return process;
  }

  /** Works for ever, under one name after another. */
  startWorker<Q>(
    plan: Frailty & { readonly closeAfterMs: number },
    { ways, queue: enter, hire, close = (worker) => worker.close({ graceMs }) }: Working<Q, Ways>,
  ): void {
    const { world, safetyMs } = this.#options;
    const process = world.start(`worker-${this.workers.length}`, async (context) => {
      const { runtime } = context;
      const client = await this.open(process, context, ways?.(context));
      const queue = enter(client, context);
      let closeAfterMs = context.incarnation === 0 ? plan.closeAfterMs : 0;
      for (;;) {
        const worker = hire(queue, context, process);
        if (closeAfterMs > 0) void sleep(runtime, closeAfterMs).then(() => close(worker));
        await worker.run();
        closeAfterMs = 0;
        await sleep(runtime, reopenAfterMs);
      }
    });
    this.workers.push(process);
    weaken(world, process, plan, safetyMs);
  }

  /** Makes its decisions, one after another, until all is healed. */
  startOperator<Q, D extends { readonly afterMs: number }>(
    decisions: readonly D[],
    { ways, queue: enter, decide, role = 'operator' }: Deciding<Q, Ways, D>,
  ): void {
    let made = 0;
    const name = `${role}-${this.operators.length}`;
    const process = this.#options.world.start(name, async (context) => {
      const queue = enter(await this.open(process, context, ways?.(context)), context);
      while (!this.isHealed) {
        const decision = decisions[made];
        if (decision === undefined) return;
        made += 1;
        await sleep(context.runtime, decision.afterMs);
        await quietly(() => decide(queue, decision, context));
      }
    });
    this.operators.push(process);
  }

  /** Undoes what would hold the queue up for ever, by these calls, also where it still arrives late. */
  startTidying<Q>(
    enter: (client: Client) => Q,
    callsFor: (queue: Q) => readonly (() => Promise<unknown>)[],
  ): void {
    const process = this.#options.world.start('tidy', async (context) => {
      const queue = enter(await this.open(process, context));
      for (;;) {
        for (const call of callsFor(queue)) await quietly(call);
        await sleep(context.runtime, tidyEveryMs);
      }
    });
  }
}
