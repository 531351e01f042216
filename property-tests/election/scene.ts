/** The processes of a run, each with a candidate or an observer, which may crash and start anew at any moment. */
import { broken } from '../../src/checkers/sentences.js';
import { Election, type Leadership, type LeaderView } from '../../src/election/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { FaultWindow, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace, type WatchItem, type WatchRequest } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace, openClient } from '../support/open-client.js';
import type { World } from '../support/world.js';
import { SeenLeadership } from './seen-leadership.js';
import type { Situation } from './situations.js';
import type { CandidatePlan, ElectionWorkload } from './workload.js';

/** Between two looks of a leader at its term. */
const lookEveryMs = 40;
/** Terms are no longer than that once everything is healed. */
const healedTermMs = 10;
/** A stall is decided within a turn of the event loop; that a term is lost may be seen before. */
const decisionMs = 5;

/** A process that has its client. */
interface Seat {
  readonly process: SimulatedProcess;
  readonly client: Client;
  readonly election: Election;
}

/** What one incarnation of a process saw as it looked on. */
export interface Observation {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly views: LeaderView[];
}

export class Scene {
  readonly electionName = 'e';
  /** The prefix of the election's keys. */
  readonly prefix: Key = new Keyspace(namespace).prefix('election', this.electionName);
  readonly terms: SeenLeadership[] = [];
  readonly observations: Observation[] = [];
  readonly traffic: LineTraffic;
  readonly administrator: Administrator;
  readonly strokes: FaultWindow[] = [];
  readonly #world: World<ElectionWorkload>;
  readonly #processes: SimulatedProcess[] = [];
  readonly #seats = new Map<SimulatedProcess, Seat>();
  readonly #struck = new Set<CandidatePlan>();
  readonly #cutAt = new Map<SimulatedProcess, number>();
  isHealed = false;

  constructor(world: World<ElectionWorkload>) {
    this.#world = world;
    const line = `${this.prefix}l/`;
    const clientOf = (target: number) => this.#clientOf(target);
    this.administrator = new Administrator({ world, line, clientOf });
    this.traffic = new LineTraffic({ nowMs: () => this.nowMs, line });
  }

  get nowMs(): number {
    return this.#world.simulation.nowMs;
  }

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  /** The seat of a process that is left after the healing, for a last term. */
  get coreSeats(): readonly Seat[] {
    return this.#processes.flatMap((process) => {
      const seat = this.#seats.get(process);
      return process.isCore && seat !== undefined ? [seat] : [];
    });
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  startProcess(plan: CandidatePlan): void {
    let termsLeft = plan.way === 'observe' ? 0 : plan.terms;
    const process = this.#world.start(`process ${this.#processes.length}`, async (context) => {
      for (const seen of this.terms) if (seen.process === process) this.#buried(seen);
      const seat = await this.#open(process, context);
      this.#seats.set(process, seat);
      if (plan.way === 'observe' || plan.observes) void this.#observe(seat, plan, context);
      await sleep(context.runtime, plan.startMs);
      while (termsLeft > 0) {
        termsLeft -= 1;
        if (plan.way === 'lead') await this.#lead(seat, plan);
        else await this.#campaign(seat, plan);
      }
    });
    this.#processes.push(process);
  }

  #clientOf(target: number): Client | undefined {
    const process = this.#processes[target % this.#processes.length];
    return process && this.#seats.get(process)?.client;
  }

  /** What it led when it crashed. */
  #buried({ belief }: SeenLeadership): void {
    if (belief.endedAtMs !== undefined) return;
    belief.end();
    this.reached('a process crashed while it led');
  }

  async #open(process: SimulatedProcess, context: ProcessContext): Promise<Seat> {
    const { knobs } = this.#world.plan;
    const store = this.traffic.watched(context.store, (request, item) =>
      this.#onWatchItem(process, request, item),
    );
    const client = await openClient(context, { store, ttlMs: this.#world.workload.ttlMs, knobs });
    return { process, client, election: new Election(client, this.electionName) };
  }

  async #observe({ process, client, election }: Seat, { readMs }: CandidatePlan, context: ProcessContext) {
    const views: LeaderView[] = [];
    this.observations.push({ process, incarnation: context.incarnation, views });
    for await (const view of election.observe()) {
      views.push(view);
      context.note(`sees ${view.status === 'leader' ? `leader of term ${view.term}` : view.status}`);
      if (readMs > 0 && !this.isHealed) await sleep(client.runtime, readMs);
    }
  }

  async #campaign(seat: Seat, plan: CandidatePlan): Promise<void> {
    const isPatient = plan.patienceMs === 0 || this.isHealed;
    try {
      const leadership = await seat.election.campaign(isPatient ? {} : { timeoutMs: plan.patienceMs });
      const seen = this.#won(seat, leadership);
      await this.#serve(seat, plan, seen, leadership);
      seen.belief.end();
      await leadership.resign();
    } catch (error) {
      if (!isQuorateError(error, 'timeout') || isPatient) throw error;
      this.reached('a candidate withdrew before it won');
    }
  }

  async #lead(seat: Seat, plan: CandidatePlan): Promise<void> {
    let runs = 0;
    await seat.election.lead(async ({ leadership }) => {
      runs += 1;
      if (runs === 2) this.reached('the work of a leader ran again after its term had been lost');
      const seen = this.#won(seat, leadership);
      await this.#serve(seat, plan, seen, leadership);
      seen.belief.end();
    });
  }

  #won({ process }: Seat, leadership: Leadership): SeenLeadership {
    const seen = new SeenLeadership(process, leadership, () => this.nowMs);
    this.terms.push(seen);
    return seen;
  }

  async #serve(seat: Seat, plan: CandidatePlan, seen: SeenLeadership, leadership: Leadership): Promise<void> {
    if (plan.stroke !== 'none' && !this.isHealed && !this.#struck.has(plan)) this.#strike(plan, seen);
    const { runtime } = seat.client;
    const untilMs = runtime.monotonicMs() + plan.termMs;
    for (let step = 0; ; step += 1) {
      await this.#write(() => leadership.checkpoint(`${seen.term}:${step}`));
      await this.#write(() => leadership.proclaim(`step ${step}`));
      const stoodStill = seen.belief.stoodStill;
      if (!seen.belief.look()) {
        await sleep(runtime, decisionMs);
        if (seen.belief.recover()) continue;
        if (stoodStill) this.reached('the first look after a standstill found the term lost');
        if (leadership.signal.aborted) return;
        broken(
          'ELECTION-6',
          `${seen.process.name} found term ${seen.term} lost, and its signal has not fired`,
        );
      }
      const leftMs = Math.min(untilMs - runtime.monotonicMs(), this.isHealed ? healedTermMs : plan.termMs);
      if (leftMs <= 0 || (this.isHealed && step > 0)) return;
      await sleep(runtime, Math.min(lookEveryMs, leftMs));
    }
  }

  async #write(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (error.code === 'fenced') this.reached('a write of a past leader was refused by the store');
      else if (error.outcome === 'unknown') this.reached('nobody knew what became of a write of a leader');
    }
  }

  #strike(plan: CandidatePlan, { process }: SeenLeadership): void {
    const { stroke, strokeMs } = plan;
    if (stroke === 'none') return;
    this.#struck.add(plan);
    const window = { kind: stroke, atMs: this.nowMs, durationMs: strokeMs, target: process.index };
    this.strokes.push(window);
    this.#world.simulation.inject(window);
  }

  #onWatchItem(process: SimulatedProcess, request: WatchRequest, item: WatchItem): void {
    if (request.key !== `${this.prefix}leader`) return;
    const { engine } = this.#world.simulation;
    if (item.type === 'interrupted') this.#cutAt.set(process, engine.revision);
    else if (item.type === 'opened') {
      const cutAt = this.#cutAt.get(process);
      this.#cutAt.delete(process);
      if (cutAt !== undefined && engine.compactRevision > cutAt) {
        this.reached('history was compacted while an observer was cut off');
      }
    }
  }
}
