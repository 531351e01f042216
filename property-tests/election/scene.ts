/** The processes of a run, each with a client, candidates and observers, which may crash and start anew at any moment. */
import { AssertionError } from 'node:assert';
import { broken } from '../../src/checkers/sentences.js';
import { Election, type Leadership } from '../../src/election/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep, type WaitOptions } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { FaultWindow, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace, type Store, type WatchItem, type WatchRequest } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { waitOptions } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace, openClient } from '../support/open-client.js';
import type { World } from '../support/world.js';
import { SeenObserver } from './seen-observer.js';
import { SeenTerm } from './seen-term.js';
import type { Situation } from './situations.js';
import { asksToWin } from './win-request.js';
import type { CandidatePlan, ElectionWorkload, ProcessPlan } from './workload.js';

/** Between two looks at a term. */
const lookEveryMs = 40;
/** A stall is decided within a turn of the event loop; that a term is lost may be seen before. */
const decisionMs = 5;
/** Terms are no longer than that once everything is healed. */
const healedTermMs = 10;
/** More than one lost reply takes. */
const handOffWithinMs = 2_000;
/** How long a write is waited for that nobody waits for. */
const leftWriteMs = 250;

export interface Seat {
  readonly process: SimulatedProcess;
  readonly client: Client;
  readonly election: Election;
}

export class Scene {
  readonly prefix: Key = new Keyspace(namespace).prefix('election', 'e');
  readonly line: Key = `${this.prefix}l/`;
  readonly leader: Key = `${this.prefix}leader`;
  readonly state: Key = `${this.prefix}state`;
  readonly terms: SeenTerm[] = [];
  readonly observers: SeenObserver[] = [];
  readonly strokes: FaultWindow[] = [];
  readonly seats = new Map<SimulatedProcess, Seat>();
  readonly administrator: Administrator;
  readonly traffic: LineTraffic;
  readonly #world: World<ElectionWorkload>;
  readonly #processes: SimulatedProcess[] = [];
  readonly #struck = new Set<CandidatePlan>();
  readonly #slept = new Set<SimulatedProcess>();
  readonly #waiting = new Map<SimulatedProcess, number>();
  /** Revisions at which watches were cut: of a process's line, and of its observers. */
  readonly #cutAt = new Map<string, number>();
  isHealed = false;

  constructor(world: World<ElectionWorkload>) {
    this.#world = world;
    const { line } = this;
    this.administrator = new Administrator({ world, line, clientOf: (target) => this.#clientOf(target) });
    this.traffic = new LineTraffic({ nowMs: () => this.nowMs, line });
  }

  get nowMs(): number {
    return this.#world.simulation.nowMs;
  }

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  startProcess({ candidates, observers }: ProcessPlan): void {
    const roundsLeft = candidates.map(({ rounds }) => rounds);
    const process = this.#world.start(`process ${this.#processes.length}`, async (context) => {
      for (const term of this.terms) if (term.process === process) this.#buried(term);
      const seat = await this.#open(process, context);
      this.seats.set(process, seat);
      for (const slowMs of observers) {
        const observer = new SeenObserver({ context, process, slowMs, nowMs: () => this.nowMs });
        this.observers.push(observer);
        void observer.follow(seat.election);
      }
      const work = candidates.map(async (plan, index) => {
        await sleep(context.runtime, plan.startMs);
        while ((roundsLeft[index] ?? 0) > 0) {
          roundsLeft[index] = (roundsLeft[index] ?? 0) - 1;
          await this.#round(seat, plan);
          await sleep(context.runtime, plan.gapMs);
        }
      });
      await Promise.all(work);
    });
    this.#processes.push(process);
  }

  #clientOf(target: number): Client | undefined {
    const process = this.#processes[target % this.#processes.length];
    return process && this.seats.get(process)?.client;
  }

  #buried(term: SeenTerm): void {
    if (term.belief.endedAtMs !== undefined) return;
    term.belief.end();
    this.reached('a process crashed while it led');
  }

  async #open(process: SimulatedProcess, context: ProcessContext): Promise<Seat> {
    const { ttlMs } = this.#world.workload;
    const { knobs } = this.#world.plan;
    this.#waiting.set(process, 0);
    const watched = this.traffic.watched(context.store, (request, item) =>
      this.#onWatchItem(process, context, request, item),
    );
    const txn: Store['txn'] = (request, options) => {
      if (asksToWin(this, request)) this.#onWin(process);
      return watched.txn(request, options);
    };
    const store = { ...watched, txn };
    const client = await openClient(context, { store, ttlMs, knobs });
    return { process, client, election: new Election(client, 'e') };
  }

  async #round(seat: Seat, plan: CandidatePlan): Promise<void> {
    const isPatient = plan.patienceMs === 0 || this.isHealed;
    const patience = {
      patienceMs: isPatient ? 0 : plan.patienceMs,
      givesUpBy: plan.way === 'lead' ? 'signal' : plan.givesUpBy,
    } as const;
    const { options, end } = waitOptions(patience, seat.client);
    this.#wait(seat.process, 1);
    try {
      if (plan.way === 'lead') await this.#lead(seat, plan, options);
      else await this.#campaign(seat, plan, options);
    } catch (error) {
      if (!isQuorateError(error) || isPatient) throw error;
      if (error.code !== 'timeout' && error.code !== 'aborted') throw error;
      this.reached('a candidate was given up');
    } finally {
      this.#wait(seat.process, -1);
      end();
    }
  }

  async #campaign(
    { election, process, client }: Seat,
    plan: CandidatePlan,
    wait: WaitOptions,
  ): Promise<void> {
    const leadership = await election.campaign({ ...wait, value: 'won' });
    const term = new SeenTerm(process, leadership, () => this.nowMs);
    this.terms.push(term);
    try {
      await this.#reign(client, plan, term, leadership);
    } finally {
      const { wasLost } = term.belief;
      term.belief.end();
      if (!wasLost && plan.handsTo !== undefined) await this.#handOff(leadership, plan.handsTo);
      await leadership.resign();
    }
  }

  async #handOff(leadership: Leadership, to: number): Promise<void> {
    const process = this.#processes[to % this.#processes.length];
    if (process === undefined) return;
    try {
      const label = `${process.name}.${process.incarnation}`;
      const isHanded = await leadership.handOff(label, { timeoutMs: handOffWithinMs });
      this.reached(
        isHanded
          ? 'a term was handed to one who stood'
          : 'nobody of the name stood to whom a term was to be handed',
      );
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    }
  }

  async #lead({ election, process, client }: Seat, plan: CandidatePlan, wait: WaitOptions): Promise<void> {
    let terms = 0;
    let lostWithin = false;
    await election.lead(
      async ({ leadership }) => {
        terms += 1;
        if (terms > 1) this.reached('lead stood again after a loss');
        const term = new SeenTerm(process, leadership, () => this.nowMs);
        this.terms.push(term);
        await this.#reign(client, plan, term, leadership);
        lostWithin = leadership.signal.aborted;
        term.belief.end();
      },
      { ...wait, value: 'won' },
    );
    if (lostWithin) throw new AssertionError({ message: 'a term that was lost was told to have gone well' });
  }

  /** Leads for its time, or until the term is lost; looks often whether it is. */
  async #reign(
    { runtime }: Client,
    plan: CandidatePlan,
    term: SeenTerm,
    leadership: Leadership,
  ): Promise<void> {
    if (plan.stroke !== 'none' && !this.isHealed && !this.#struck.has(plan)) this.#strike(plan, term);
    await this.#publish(plan, leadership, 'begins');
    const untilMs = runtime.monotonicMs() + plan.termMs;
    for (;;) {
      const { stoodStill } = term.belief;
      if (!term.belief.look()) {
        await sleep(runtime, decisionMs);
        if (term.belief.recover()) continue;
        if (stoodStill) this.reached('the first look after a standstill found the term lost');
        if (leadership.signal.aborted) break;
        broken(
          'ELECTION-6',
          `${term.process.name} found term ${term.term} lost, and its signal has not fired`,
        );
      }
      const leftMs = untilMs - runtime.monotonicMs();
      if (leftMs <= 0 || (this.isHealed && plan.termMs - leftMs >= healedTermMs)) break;
      await sleep(runtime, Math.min(lookEveryMs, leftMs, this.isHealed ? healedTermMs : lookEveryMs));
    }
    await this.#publish(plan, leadership, 'ends');
  }

  async #publish(
    { steps, waitsForWrites }: CandidatePlan,
    leadership: Leadership,
    what: string,
  ): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      const options = waitsForWrites ? {} : { timeoutMs: leftWriteMs };
      const writes = [
        this.#outcome(leadership.checkpoint(`${leadership.term}:${what} ${step}`, options)),
        this.#outcome(leadership.proclaim(`${what} ${step}`, options)),
      ];
      if (waitsForWrites) await Promise.all(writes);
    }
  }

  async #outcome(write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (error.code === 'fenced') this.reached('a write of a deposed leader was refused by the store');
      else if (error.outcome === 'unknown') this.reached('nobody knew what became of a write of a leader');
    }
  }

  #strike(plan: CandidatePlan, { process }: SeenTerm): void {
    const { stroke, strokeMs } = plan;
    if (stroke === 'none') return;
    this.#struck.add(plan);
    this.#befall(process, stroke, strokeMs);
  }

  #befall(process: SimulatedProcess, kind: FaultWindow['kind'], durationMs: number): void {
    const window = { kind, atMs: this.nowMs, durationMs, target: process.index };
    this.strokes.push(window);
    this.#world.simulation.inject(window);
  }

  #onWin(process: SimulatedProcess): void {
    const { deedsAtWins, sleepsAtWins, ttlMs } = this.#world.workload;
    if (this.isHealed) return;
    if (deedsAtWins) {
      this.reached('a place was deleted as it was to win');
      void this.administrator.deleteOldestPlace();
    }
    if (sleepsAtWins && !this.#slept.has(process)) {
      this.reached('a process slept for about its TTL as it was to win');
      this.#slept.add(process);
      this.#befall(process, 'sleep', ttlMs * this.#world.random.between(0.9, 1.5));
    }
  }

  #wait(process: SimulatedProcess, by: 1 | -1): void {
    this.#waiting.set(process, (this.#waiting.get(process) ?? 0) + by);
  }

  #onWatchItem(
    process: SimulatedProcess,
    context: ProcessContext,
    request: WatchRequest,
    item: WatchItem,
  ): void {
    const { engine } = this.#world.simulation;
    const watch = `${context.name} ${request.key}`;
    const isOfLine = request.key === this.line;
    if (!isOfLine && request.key !== this.leader) return;
    const isCut = item.type === 'interrupted' || item.type === 'compacted';
    const hasDeeds = this.#world.workload.deedsAtCuts && !this.isHealed && isOfLine;
    if (isCut) this.#cutAt.set(watch, engine.revision);
    if (isCut && isOfLine && (this.#waiting.get(process) ?? 0) > 0) {
      this.reached('the watch of a waiting candidate was cut');
      if (hasDeeds) void this.administrator.deletePlaceOf(`${context.name}.${context.incarnation}`);
    }
    if (isCut && !isOfLine) {
      for (const observer of this.observers) {
        const isOwn = observer.process === process && observer.incarnation === context.incarnation;
        if (isOwn) void observer.onCut();
      }
    }
    if (item.type !== 'opened') return;
    const cutAt = this.#cutAt.get(watch);
    this.#cutAt.delete(watch);
    if (cutAt === undefined) return;
    if (hasDeeds) void this.administrator.deleteOldestPlace();
    if (!isOfLine && engine.compactRevision > cutAt) {
      this.reached('history was compacted while an observer was cut off');
    }
  }
}
