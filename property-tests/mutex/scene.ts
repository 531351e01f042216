/** The processes of a run, each with a client and its callers, which may crash and start anew at any moment. */
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import type { Hold } from '../../src/locks/index.js';
import { sleep, type WaitOptions } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import {
  type Key,
  Keyspace,
  prefixRange,
  put,
  type WatchItem,
  type WatchRequest,
} from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { CutWatches } from '../support/cut-watches.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
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
/** A stall is decided within a turn of the event loop; that a hold is lost may be seen before. */
const decisionMs = 5;
/** How long a write is waited for that nobody waits for. */
const leftWriteMs = 60;
/** More than one lost reply takes. */
const handOffWithinMs = 2_000;
const outsideLatencyMs = { min: 1, max: 400 };

interface MutexSeat extends Seat {
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
  readonly seats: Seats<CallerPlan, MutexSeat>;
  readonly #world: World<MutexWorkload>;
  readonly #cuts: CutWatches;

  constructor(world: World<MutexWorkload>) {
    this.#world = world;
    this.traffic = new LineTraffic({ nowMs: () => this.nowMs, line: this.line });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }, process) =>
        this.traffic.watched(store, (request, item) => this.#onWatchItem(process, request, item)),
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
      bury: (process) => this.#bury(process),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: this.line, clientOf });
    this.#cuts = new CutWatches({
      ...{ world, isHealed: () => this.seats.isHealed },
      onCut: ({ name, incarnation }) => void this.administrator.deletePlaceOf(`${name}.${incarnation}`),
      onOpened: () => void this.administrator.deleteOldestPlace(),
    });
  }

  get nowMs(): number {
    return this.#world.simulation.nowMs;
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

  /** What it held when it crashed. */
  #bury(process: SimulatedProcess): void {
    for (const grant of this.grants) {
      if (grant.process !== process || grant.belief.endedAtMs !== undefined) continue;
      grant.die();
      this.reached('a process crashed while it held the lock');
    }
  }

  #furnish(seat: Seat): MutexSeat {
    const { sliceGrants, sliceMs, barging, bargingMs } = this.#world.workload;
    const { watchHoldAfterMs, lockDelayMs } = this.#world.workload;
    const options = { sliceGrants, sliceMs, barging, bargingMs, watchHoldAfterMs, lockDelayMs };
    const { client, process, session } = seat;
    const parts = { client, process, options, session };
    return { ...seat, mutexes: [new SeenMutex(this, parts), new SeenMutex(this, parts)] };
  }

  async #round(seat: MutexSeat, plan: CallerPlan): Promise<void> {
    const mutex = seat.mutexes[plan.object];
    if (mutex === undefined) throw new Error('there is one object to each number');
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    try {
      const work = (grant: SeenGrant, hold: Hold) => this.#critical(seat, plan, grant, hold);
      const had = await mutex.use(plan.way, work, options, plan.handsTo);
      if (!had) this.reached('a try found the lock taken');
    } catch (error) {
      this.#passOver(error, plan, isPatient);
    } finally {
      end();
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
    this.seats.strike(plan, grant.process);
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
      const mostMs = this.seats.isHealed ? Math.min(healedHoldMs, plan.holdMs) : plan.holdMs;
      const leftMs = Math.min(mostMs, untilMs - runtime.monotonicMs());
      if (leftMs <= 0) return;
      await sleep(runtime, Math.min(lookEveryMs, leftMs));
      if (this.seats.isHealed && plan.holdMs > healedHoldMs) return;
    }
  }

  /** To whoever waits first in the process of this number. */
  async handOff(client: Client, hold: Hold, to: number | undefined): Promise<void> {
    const { processes } = this.seats;
    const process = to === undefined ? undefined : processes[to % processes.length];
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
    const isWaiting = this.seats.seatOf(process)?.mutexes.some((mutex) => mutex.isWaiting);
    if (request.key === this.line && isWaiting) this.#cuts.onItem(process, item);
  }
}
