/** The processes of a run, each with a client and its callers, which may crash and start anew at any moment. */
import type { EndedWait, NotifyCall } from '../../src/checkers/condition.js';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import { Condition } from '../../src/locks/condition.js';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { FaultWindow, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { stay, waitOptions } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace, openClient } from '../support/open-client.js';
import { SeenHold } from '../support/seen-hold.js';
import type { World } from '../support/world.js';
import { close, type Readiness, read, stateIn, write } from './buffer.js';
import { recordCall } from './calls.js';
import type { Situation } from './situations.js';
import type { CallerPlan, ConditionWorkload } from './workload.js';

/** Callers do not come more often once everything is healed. */
const healedRounds = 2;
const retryMs = 50;
const handOffWithinMs = 2_000;

export const lockName = 'm';

/** A process that has its client. */
interface Seat {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly client: Client;
  readonly mutex: Mutex;
  readonly notFull: Condition;
  readonly notEmpty: Condition;
}

export class Scene {
  readonly line: Key = `${new Keyspace(namespace).prefix('lock', lockName)}l/`;
  /** The prefix of the keys of those who wait on one condition or the other. */
  readonly waiters: Key = new Keyspace(namespace).prefix('condition', lockName);
  readonly grants: SeenHold[] = [];
  readonly waits: EndedWait[] = [];
  readonly calls: NotifyCall[] = [];
  readonly traffic: LineTraffic;
  readonly lockKeys: Administrator;
  readonly waiterKeys: Administrator;
  readonly strokes: FaultWindow[] = [];
  isHealed = false;
  readonly #world: World<ConditionWorkload>;
  readonly #processes: SimulatedProcess[] = [];
  readonly #seats = new Map<SimulatedProcess, Seat>();
  readonly #struck = new Set<CallerPlan>();
  /** Callers that wait on a condition, and what each waits for. */
  readonly #waiting = new Map<CallerPlan, { readonly isReady: Readiness; readonly seat: Seat }>();
  /** Callers that are still in their rounds. */
  readonly #busy = new Map<SimulatedProcess, Set<CallerPlan>>();

  constructor(world: World<ConditionWorkload>) {
    this.#world = world;
    const clientOf = (target: number) => {
      const process = this.#processes[target % this.#processes.length];
      return process && this.#seats.get(process)?.client;
    };
    this.lockKeys = new Administrator({ world, line: this.line, clientOf });
    this.waiterKeys = new Administrator({ world, line: this.waiters, clientOf });
    this.traffic = new LineTraffic({ nowMs: this.nowMs, line: this.waiters });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  /** The condition that a key of a waiter belongs to. */
  waitersOf(condition: 'not-full' | 'not-empty'): Key {
    return `${this.waiters}${condition}/w/`;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  startProcess(callers: readonly CallerPlan[]): void {
    const roundsLeft = callers.map(({ rounds }) => rounds);
    const process = this.#world.start(`process ${this.#processes.length}`, async (context) => {
      this.#bury(process);
      const seat = await this.#open(process, context);
      this.#seats.set(process, seat);
      // What this process had been told before it crashed nobody else was told.
      const recovering = context.incarnation > 0 ? this.tellAll(seat) : undefined;
      const busy = new Set(callers);
      this.#busy.set(process, busy);
      const work = callers.map(async (plan, index) => {
        await sleep(context.runtime, plan.startMs);
        let left = roundsLeft[index] ?? 0;
        while (left > 0) {
          left = Math.min(left, this.isHealed ? healedRounds : left) - 1;
          roundsLeft[index] = left;
          await this.#round(seat, plan);
          await sleep(context.runtime, plan.gapMs);
        }
        busy.delete(plan);
      });
      await Promise.all([...work, recovering]);
    });
    this.#processes.push(process);
  }

  /** The first caller that could go on, and does not: who waits for what has not come is not one. */
  stuck(): string | undefined {
    const state = stateIn(this.#world.simulation.engine);
    for (const process of this.#processes.filter(({ isCore, status }) => isCore && status !== 'finished')) {
      const busy = this.#busy.get(process);
      if (busy === undefined || this.#seatOf(process) === undefined)
        return `${process.name} is about to start`;
      for (const plan of busy) {
        const waiting = this.#waiting.get(plan);
        if (waiting === undefined) return `${process.name} wants to ${plan.role}`;
        if (waiting.isReady(state)) return `${process.name} waits to ${plan.role}, with ${state.items} items`;
      }
    }
    return undefined;
  }

  /** Notifies everybody, for somebody who may have been told before and can tell nobody any more. */
  async tellAll(seat: Seat | undefined = this.#coreSeat(), isClosing = false): Promise<void> {
    if (seat === undefined) return;
    for (;;) {
      let hold: Hold | undefined;
      try {
        hold = await seat.mutex.acquire();
        this.#granted(seat, hold);
        if (isClosing) await close(hold);
        await seat.notFull.notifyAll(hold);
        await seat.notEmpty.notifyAll(hold);
        return;
      } catch (error) {
        if (!isQuorateError(error) || error.code === 'internal') throw error;
        await sleep(seat.client.runtime, retryMs);
      } finally {
        if (hold !== undefined) await this.#release(hold);
      }
    }
  }

  #coreSeat(): Seat | undefined {
    const core = this.#processes.filter(({ isCore, status }) => isCore && status !== 'crashed');
    return core.map((process) => this.#seatOf(process)).find((seat) => seat !== undefined);
  }

  /** Of its incarnation of now. */
  #seatOf(process: SimulatedProcess): Seat | undefined {
    const seat = this.#seats.get(process);
    return seat?.incarnation === process.incarnation ? seat : undefined;
  }

  /** What it held, and who waited in it, when it crashed. */
  #bury(process: SimulatedProcess): void {
    for (const grant of this.grants) if (grant.process === process) grant.belief.end();
    for (const [plan, { seat }] of this.#waiting) {
      if (seat.process !== process) continue;
      this.#waiting.delete(plan);
      this.reached('a process crashed while it waited');
    }
    this.#busy.delete(process);
  }

  async #open(process: SimulatedProcess, context: ProcessContext): Promise<Seat> {
    const { ttlMs } = this.#world.workload;
    const { knobs } = this.#world.plan;
    const client = await openClient(context, { store: this.traffic.watched(context.store), ttlMs, knobs });
    const mutex = new Mutex(client, lockName, { sliceGrants: 2 });
    const conditions = {
      notFull: new Condition(mutex, 'not-full'),
      notEmpty: new Condition(mutex, 'not-empty'),
    };
    const { incarnation } = context;
    const seat = { process, incarnation, client, mutex, ...conditions };
    client.onSessionChange(({ session, state }) => {
      context.note(`session ${session.id} is ${state.status}`);
      // A notification may have gone with it.
      if (state.status === 'lost' && state.reason !== 'closed') void this.tellAll(seat);
    });
    return seat;
  }

  #granted({ process }: Seat, hold: Hold): SeenHold {
    const grant = new SeenHold({ hold, names: [lockName], process, nowMs: this.nowMs });
    this.grants.push(grant);
    return grant;
  }

  #grantOf(hold: Hold): SeenHold | undefined {
    return this.grants.findLast(({ parts }) => parts[0]?.token === hold.token);
  }

  async #release(hold: Hold): Promise<void> {
    this.#grantOf(hold)?.belief.end();
    await hold.release();
  }

  async #round(seat: Seat, plan: CallerPlan): Promise<void> {
    let hold = await seat.mutex.acquire();
    try {
      this.#granted(seat, hold);
      this.#strike(seat, plan, 'holds');
      const isReady = this.#readinessOf(plan);
      let state = await read(hold);
      for (let woken = 0; !isReady(state); woken += 1) {
        if (woken > 0) this.reached('somebody woke, and found nothing changed');
        hold = await this.#wait(seat, plan, hold, isReady);
        state = await read(hold);
      }
      if (state.isClosed) return;
      await this.#stay(seat, plan, hold);
      await write(hold, state.items + (plan.role === 'produce' ? 1 : -1));
      await this.#notify(seat, plan, hold);
      await this.#handOff(plan, hold);
    } catch (error) {
      await this.#release(hold);
      await this.#passOver(seat, error);
    } finally {
      await this.#release(hold);
    }
  }

  #readinessOf({ role }: CallerPlan): Readiness {
    const { capacity } = this.#world.workload;
    return ({ items, isClosed }) => isClosed || (role === 'produce' ? items < capacity : items > 0);
  }

  async #wait(seat: Seat, plan: CallerPlan, hold: Hold, isReady: Readiness): Promise<Hold> {
    const isPatient = plan.patienceMs === 0 || this.isHealed;
    const { options, end } = waitOptions(isPatient ? { ...plan, patienceMs: 0 } : plan, seat.client);
    const condition = plan.role === 'produce' ? seat.notFull : seat.notEmpty;
    const before = { place: hold.guard().key, token: hold.token };
    this.#grantOf(hold)?.belief.end();
    this.#waiting.set(plan, { isReady, seat });
    try {
      const waiting = condition.wait(hold, options);
      this.#strike(seat, plan, 'waits');
      const next = await waiting;
      this.#granted(seat, next);
      const after = { place: next.guard().key, token: next.token };
      this.waits.push({ process: seat.process.name, before, after });
      return next;
    } catch (error) {
      if (hold.isHeld) broken('CONDITION-3', `${seat.process.name} was refused a wait, and holds the lock`);
      const hasGivenUp = isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted');
      if (!isPatient && hasGivenUp) throw new GaveUp();
      if (isQuorateError(error, 'session-lost')) this.reached('a wait was lost with its session');
      throw error;
    } finally {
      end();
      this.#waiting.delete(plan);
    }
  }

  async #stay({ client, process }: Seat, plan: CallerPlan, hold: Hold): Promise<void> {
    const belief = this.#grantOf(hold)?.belief;
    if (belief === undefined) return;
    const isHealed = () => this.isHealed;
    const ended = await stay({ client, belief, signal: hold.signal, holdMs: plan.holdMs, isHealed });
    if (ended !== 'untold') return;
    broken('LOCK-9', `${process.name} found its lock lost, and the signal has not fired`);
  }

  /** Those who wait for what this one has done. */
  async #notify(seat: Seat, plan: CallerPlan, hold: Hold): Promise<void> {
    const condition = plan.role === 'produce' ? seat.notEmpty : seat.notFull;
    if (plan.notifies === 'all') {
      if ((await condition.notifyAll(hold)) > 1) this.reached('several were notified at once');
      return;
    }
    const limit = plan.notifyWithinMs === 0 || this.isHealed ? {} : { timeoutMs: plan.notifyWithinMs };
    const asked = { process: seat.process.name, hold, nowMs: this.nowMs };
    try {
      await recordCall(this.calls, asked, () => condition.notify(hold, limit));
    } catch (error) {
      if (isQuorateError(error) && error.outcome === 'unknown') {
        this.reached('nobody knew what became of a notification');
      }
      throw error;
    }
  }

  /** To one who waits for the lock in another process, be it since it was notified. What was to be done is done. */
  async #handOff({ handsTo }: CallerPlan, hold: Hold): Promise<void> {
    const process = handsTo < 0 ? undefined : this.#processes[handsTo % this.#processes.length];
    if (process === undefined) return;
    this.#grantOf(hold)?.belief.end();
    try {
      await hold.handOff(`${process.name}.${process.incarnation}`, { timeoutMs: handOffWithinMs });
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    }
  }

  /** Whoever cannot say whether others were told what they must know tells them. */
  async #passOver(seat: Seat, error: unknown): Promise<void> {
    if (error instanceof GaveUp) {
      this.reached('a wait was given up');
      return;
    }
    if (!isQuorateError(error) || error.code === 'internal') throw error;
    await this.tellAll(seat);
  }

  #strike({ process }: Seat, plan: CallerPlan, as: CallerPlan['struckAs']): void {
    const { stroke, strokeMs } = plan;
    if (stroke === 'none' || plan.struckAs !== as || this.isHealed || this.#struck.has(plan)) return;
    this.#struck.add(plan);
    const window = { kind: stroke, atMs: this.nowMs(), durationMs: strokeMs, target: process.index };
    this.strokes.push(window);
    this.#world.simulation.inject(window);
  }
}

/** A caller has lost its patience, as it was to do. */
class GaveUp extends Error {}
