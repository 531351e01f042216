/** The processes of a run, each with a client and its callers, which may crash and start anew at any moment. */
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import type { Hold } from '../../src/locks/index.js';
import { sleep, type WaitOptions } from '../../src/runtime/index.js';
import type { Client, Session } from '../../src/session/index.js';
import type { FaultWindow, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import {
  type Key,
  Keyspace,
  prefixRange,
  put,
  type WatchItem,
  type WatchRequest,
} from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace, openClient } from '../support/open-client.js';
import type { World } from '../support/world.js';
import { OutsideStore } from './outside-store.js';
import type { SeenGrant } from './seen-grant.js';
import { SeenMutex } from './seen-mutex.js';
import type { Situation } from './situations.js';
import type { CallerPlan, MutexWorkload } from './workload.js';

/** Between two looks at a hold. */
const lookEveryMs = 40;
/** Holds are no longer than that once everything is healed. */
const healedHoldMs = 10;
/** Nor do callers come more often. */
const healedRounds = 2;
/** A stall is decided within a turn of the event loop; that a hold is lost may be seen before. */
const decisionMs = 5;
/** How long a write is waited for that nobody waits for. */
const leftWriteMs = 60;
/** More than one lost reply takes. */
const handOffWithinMs = 2_000;
const outsideLatencyMs = { min: 1, max: 400 };

/** A process that has its client. */
export interface Seat {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly client: Client;
  readonly mutexes: readonly SeenMutex[];
}

export class Scene {
  readonly lockName = 'm';
  readonly resource = 'resource';
  /** The prefix of the places. */
  readonly line: Key = `${new Keyspace(namespace).prefix('lock', this.lockName)}l/`;
  readonly grants: SeenGrant[] = [];
  readonly outside = new OutsideStore();
  readonly traffic: LineTraffic;
  readonly administrator: Administrator;
  readonly seats = new Map<SimulatedProcess, Seat>();
  readonly #world: World<MutexWorkload>;
  readonly #processes: SimulatedProcess[] = [];
  /** Revisions at which watches of those who wait were cut. */
  readonly #cutAt = new Map<SimulatedProcess, number>();
  readonly strokes: FaultWindow[] = [];
  readonly #struck = new Set<CallerPlan>();
  isHealed = false;

  constructor(world: World<MutexWorkload>) {
    this.#world = world;
    this.administrator = new Administrator({
      world,
      line: this.line,
      clientOf: (target) => this.clientOf(target),
    });
    this.traffic = new LineTraffic({ nowMs: () => this.nowMs, line: this.line });
  }

  get nowMs(): number {
    return this.#world.simulation.nowMs;
  }

  get processes(): readonly SimulatedProcess[] {
    return this.#processes;
  }

  clientOf(target: number): Client | undefined {
    const process = this.#processes[target % this.#processes.length];
    return process && this.seats.get(process)?.client;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** The lock is this place's, by the keys of the cluster at this moment. */
  isOldest(place: Key, revision: number): boolean {
    const { engine } = this.#world.simulation;
    const [oldest] = engine.range({
      ...prefixRange(this.line),
      limit: 1,
      sort: { target: 'create', order: 'ascend' },
    }).kvs;
    return oldest?.key === place && oldest.modRevision === revision;
  }

  startProcess(callers: readonly CallerPlan[]): void {
    const roundsLeft = callers.map(({ rounds }) => rounds);
    const process = this.#world.start(`process ${this.#processes.length}`, async (context) => {
      for (const grant of this.grants) if (grant.process === process) this.#buried(grant);
      const seat = await this.#open(process, context);
      this.seats.set(process, seat);
      const work = callers.map(async (plan, index) => {
        await sleep(context.runtime, plan.startMs);
        let left = roundsLeft[index] ?? 0;
        while (left > 0) {
          left = Math.min(left, this.isHealed ? healedRounds : left) - 1;
          roundsLeft[index] = left;
          await this.#round(seat, plan);
          await sleep(context.runtime, plan.gapMs);
        }
      });
      await Promise.all(work);
    });
    this.#processes.push(process);
  }

  /** What it held when it crashed. */
  #buried(grant: SeenGrant): void {
    if (grant.belief.endedAtMs !== undefined) return;
    grant.die();
    this.reached('a process crashed while it held the lock');
  }

  async #open(process: SimulatedProcess, context: ProcessContext): Promise<Seat> {
    const { ttlMs, sliceGrants, sliceMs, barging, bargingMs } = this.#world.workload;
    const { watchHoldAfterMs, lockDelayMs } = this.#world.workload;
    const { knobs } = this.#world.plan;
    const store = this.traffic.watched(context.store, (request, item) =>
      this.#onWatchItem(process, request, item),
    );
    const client = await openClient(context, { store, ttlMs, knobs });
    let session: Session | undefined;
    client.onSessionChange((change) => {
      if (change.previous === undefined) session = change.session;
      context.note(`session ${change.session.id} is ${change.state.status}`);
    });
    const options = { sliceGrants, sliceMs, barging, bargingMs, watchHoldAfterMs, lockDelayMs };
    const parts = { client, process, options, session: () => session };
    const mutexes = [new SeenMutex(this, parts), new SeenMutex(this, parts)];
    return { process, incarnation: context.incarnation, client, mutexes };
  }

  async #round(seat: Seat, plan: CallerPlan): Promise<void> {
    const mutex = seat.mutexes[plan.object];
    if (mutex === undefined) throw new Error('there is one object to each number');
    const { runtime } = seat.client;
    const isPatient = plan.patienceMs === 0 || this.isHealed;
    const impatience = new AbortController();
    const bySignal = !isPatient && plan.givesUpBy === 'signal';
    const timer = bySignal
      ? runtime.setTimer(plan.patienceMs, () => impatience.abort(new Error('gave up')))
      : undefined;
    const wait = bySignal ? { signal: impatience.signal } : isPatient ? {} : { timeoutMs: plan.patienceMs };
    try {
      const work = (grant: SeenGrant, hold: Hold) => this.#critical(seat, plan, grant, hold);
      const had = await mutex.use(plan.way, work, wait, plan.handsTo);
      if (!had) this.reached('a try found the lock taken');
    } catch (error) {
      this.#passOver(error, plan, isPatient);
    } finally {
      timer?.cancel();
    }
  }

  #passOver(error: unknown, plan: CallerPlan, isPatient: boolean): void {
    if (!isQuorateError(error) || error.code === 'internal') throw error;
    const { code } = error;
    if (!isPatient && (code === 'timeout' || code === 'aborted')) {
      this.reached(plan.way === 'try-acquire' ? 'a try was given up' : 'a wait was given up');
    } else if (plan.way === 'run-exclusive' && (code === 'session-lost' || code === 'hold-lost')) {
      this.reached('a critical section was told that its lock had been lost');
    } else if (plan.way !== 'try-acquire') throw error;
  }

  async #critical({ client }: Seat, plan: CallerPlan, grant: SeenGrant, hold: Hold): Promise<void> {
    if (plan.stroke !== 'none' && !this.isHealed && !this.#struck.has(plan)) this.#strike(plan, grant);
    await this.#write(plan, hold);
    if (plan.writesOutside) await this.#writeOutside(client, grant);
    await this.#stay(client, plan, grant, hold.signal);
    await this.#write(plan, hold);
  }

  /** Holds the lock for its time, or until it is lost; looks often whether it is. */
  async #stay({ runtime }: Client, plan: CallerPlan, grant: SeenGrant, signal: AbortSignal): Promise<void> {
    const untilMs = runtime.monotonicMs() + plan.holdMs;
    for (;;) {
      const stoodStill = grant.belief.stoodStill;
      if (!grant.belief.look()) {
        await sleep(runtime, decisionMs);
        if (grant.belief.recover()) continue;
        if (stoodStill) this.reached('the first look after a standstill found the hold lost');
        if (signal.aborted) return;
        broken(
          'LOCK-9',
          `${grant.process.name} found token ${grant.token} lost, and its signal has not fired`,
        );
      }
      const mostMs = this.isHealed ? Math.min(healedHoldMs, plan.holdMs) : plan.holdMs;
      const leftMs = Math.min(mostMs, untilMs - runtime.monotonicMs());
      if (leftMs <= 0) return;
      await sleep(runtime, Math.min(lookEveryMs, leftMs));
      if (this.isHealed && plan.holdMs > healedHoldMs) return;
    }
  }

  #strike(plan: CallerPlan, { process }: SeenGrant): void {
    const { stroke, strokeMs } = plan;
    if (stroke === 'none') return;
    this.#struck.add(plan);
    const window = { kind: stroke, atMs: this.nowMs, durationMs: strokeMs, target: process.index };
    this.strokes.push(window);
    this.#world.simulation.inject(window);
  }

  /** To whoever waits first in the process of this number. */
  async handOff(client: Client, hold: Hold, to: number | undefined): Promise<void> {
    const process = to === undefined ? undefined : this.#processes[to % this.#processes.length];
    if (process === undefined) return;
    try {
      const isHanded = await hold.handOff(`${process.name}.${process.incarnation}`, {
        timeoutMs: handOffWithinMs,
      });
      this.reached(
        isHanded
          ? 'a hold was handed to one who waited'
          : 'nobody of the name waited to whom a hold was to be handed',
      );
      // Whoever was given its guard goes on using it.
      const late = {
        compare: [hold.guard()],
        success: [put(this.resource, String(hold.token))],
        failure: [],
      };
      if (isHanded) await client.store.txn(late, { timeoutMs: leftWriteMs });
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    }
  }

  /** Waits for its end, or leaves it alone. */
  async #write({ write }: CallerPlan, hold: Hold): Promise<void> {
    if (write === 'awaited') await this.write(hold);
    else if (write === 'left') void this.write(hold, { timeoutMs: leftWriteMs });
  }

  /** Whether it was certainly applied. */
  async write(hold: Hold, options: WaitOptions = {}): Promise<boolean> {
    try {
      await hold.txn({ success: [put(this.resource, String(hold.token))] }, options);
      return true;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (error.code === 'fenced') this.reached('a write under a hold was refused by the store');
      else if (error.outcome === 'unknown') this.reached('nobody knew what became of a write under a hold');
      return false;
    }
  }

  /** It may be on its way when the hold ends, or the process stands still. */
  async #writeOutside({ runtime }: Client, grant: SeenGrant): Promise<void> {
    const { min, max } = outsideLatencyMs;
    await sleep(runtime, min + runtime.random() ** 3 * (max - min));
    const { belief, token, place, revision } = grant;
    this.outside.arrive(token, belief.endedAtMs === undefined && this.isOldest(place, revision));
  }

  #onWatchItem(process: SimulatedProcess, request: WatchRequest, item: WatchItem): void {
    const isWaiting = this.seats.get(process)?.mutexes.some((mutex) => mutex.isWaiting);
    if (request.key !== this.line || !isWaiting) return;
    const { engine } = this.#world.simulation;
    const hasDeeds = this.#world.workload.deedsAtCuts && !this.isHealed;
    if (item.type === 'interrupted') {
      this.reached('the watch of a waiting process was cut');
      this.#cutAt.set(process, engine.revision);
      if (hasDeeds) void this.administrator.deletePlaceOf(`${process.name}.${process.incarnation}`);
    } else if (item.type === 'opened') {
      const cutAt = this.#cutAt.get(process);
      this.#cutAt.delete(process);
      if (hasDeeds && cutAt !== undefined) void this.administrator.deleteOldestPlace();
      if (cutAt !== undefined && engine.compactRevision > cutAt) {
        this.reached('history was compacted while the watch of a waiting process was cut');
      }
    }
  }
}
