/** The processes of a run, each with a client, a semaphore and its callers, and who changes the limit. */
import { AssertionError } from 'node:assert';
import type { SemaphoreRefusal } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import type { SemaphoreHold } from '../../src/locks/semaphore/semaphore-hold.js';
import { Semaphore } from '../../src/locks/semaphore.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import {
  type Key,
  Keyspace,
  put,
  remove,
  type Store,
  type TxnRequest,
  type WatchItem,
  type WatchRequest,
} from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { CutWatches } from '../support/cut-watches.js';
import { stay } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import { LimitChanges } from './limit-changes.js';
import { SeenPermits } from './seen-permits.js';
import type { Situation } from './situations.js';
import type { CallerPlan, Resize, SemaphoreWorkload } from './workload.js';

/** How long a write is waited for that nobody waits for. */
const leftWriteMs = 60;

interface SemaphoreSeat extends Seat {
  readonly semaphore: Semaphore;
  /** Callers that wait. */
  waiting: number;
}

export class Scene {
  readonly name = 's';
  /** The prefix of all keys of the semaphore. */
  readonly prefix: Key = new Keyspace(namespace).prefix('semaphore', this.name);
  readonly limitKey: Key = `${this.prefix}cfg`;
  readonly line: Key = `${this.prefix}l/`;
  readonly resource = 'resource';
  readonly grants: SeenPermits[] = [];
  readonly refusals: SemaphoreRefusal[] = [];
  readonly changes = new LimitChanges();
  readonly traffic: LineTraffic;
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, SemaphoreSeat>;
  readonly #world: World<SemaphoreWorkload>;
  /** A connection that no fault befalls. */
  readonly #store: Store;
  readonly #cuts: CutWatches;

  constructor(world: World<SemaphoreWorkload>) {
    this.#world = world;
    this.#store = world.simulation.connect();
    this.traffic = new LineTraffic({ nowMs: this.nowMs, line: this.line });
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
      onCut: () => void this.#asAdministrator([put(this.limitKey, '1')]),
      onOpened: () => void this.#deleteOldestPlaces(),
    });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Lets time pass up to each of them. */
  async doAll({ deeds, resizes }: Pick<SemaphoreWorkload, 'deeds' | 'resizes'>): Promise<void> {
    const all = [...deeds, ...resizes].sort((left, right) => left.atMs - right.atMs);
    for (const one of all) {
      await this.#world.run(Math.max(0, one.atMs - this.nowMs()));
      if ('to' in one) void this.#resize(one);
      else await this.administrator.doAll([one]);
    }
  }

  async #resize({ kind, to, target }: Resize): Promise<void> {
    if (kind === 'delete') return this.#asAdministrator([remove(this.limitKey)]);
    if (kind === 'spoil') return this.#asAdministrator([put(this.limitKey, `${to}?`)]);
    const { processes } = this.seats;
    const process = processes[target % processes.length];
    const semaphore = process && this.seats.seatOf(process)?.semaphore;
    if (semaphore === undefined) return;
    const fromMs = this.nowMs();
    try {
      if (kind === 'set') await semaphore.setLimit(to);
      else {
        const limit = await semaphore.changeLimit(to - 3);
        this.changes.add({ by: to - 3, limit, fromMs, toMs: this.nowMs() });
      }
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    }
  }

  async #asAdministrator(success: TxnRequest['success']): Promise<void> {
    await this.#store.txn({ compare: [], success, failure: [] }).catch(() => {});
  }

  /** One after the other, as a read of the line is on its way. */
  async #deleteOldestPlaces(): Promise<void> {
    for (let count = 0; count < 3; count += 1) await this.administrator.deleteOldestPlace();
  }

  /** What it held when it crashed. */
  #bury(process: SimulatedProcess): void {
    for (const grant of this.grants) {
      if (grant.process !== process || grant.belief.endedAtMs !== undefined) continue;
      grant.belief.end();
      this.reached('a process crashed while it held permits');
    }
  }

  #furnish(seat: Seat): SemaphoreSeat {
    const { limit, sliceGrants, sliceMs, waitingPlaces, watchHoldAfterMs } = this.#world.workload;
    const options = { limit, sliceGrants, sliceMs, waitingPlaces, watchHoldAfterMs };
    const semaphore = new Semaphore(seat.client, this.name, options);
    return { ...seat, semaphore, waiting: 0 };
  }

  async #round(seat: SemaphoreSeat, plan: CallerPlan): Promise<void> {
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    const { weight } = plan;
    const asked = { weight, ...(plan.hasOwner ? { owner: 'somebody' } : {}), ...options };
    const askedAtMs = this.nowMs();
    try {
      if (plan.way === 'run') await this.#run(seat, plan, asked);
      else await this.#acquire(seat, plan, asked);
    } catch (error) {
      if (isQuorateError(error, 'over-limit')) {
        const { limit, revision } = error.details as { limit: number; revision: number };
        this.refusals.push({ process: seat.process.name, weight, limit, revision, askedAtMs });
      } else this.#passOver(error, plan, isPatient);
    } finally {
      end();
    }
  }

  #passOver(error: unknown, plan: CallerPlan, isPatient: boolean): void {
    if (!isQuorateError(error) || error.code === 'internal') throw error;
    const { code } = error;
    if (!isPatient && (code === 'timeout' || code === 'aborted')) {
      this.reached(plan.way === 'try-acquire' ? 'a try was given up' : 'a wait was given up');
    } else if (plan.way === 'run' && (code === 'session-lost' || code === 'hold-lost')) {
      this.reached('work was told that its permits had been lost');
    } else if (plan.way !== 'try-acquire') throw error;
  }

  async #acquire(
    seat: SemaphoreSeat,
    plan: CallerPlan,
    asked: Parameters<Semaphore['acquire']>[0],
  ): Promise<void> {
    const { semaphore } = seat;
    const isTry = plan.way === 'try-acquire';
    const hold = await (isTry
      ? semaphore.tryAcquire(asked)
      : this.#whileWaiting(seat, semaphore.acquire(asked)));
    if (isTry) this.reached(hold ? 'a try took permits' : 'a try found too few permits');
    if (hold === undefined) return;
    const grant = this.#granted(seat, hold);
    const session = seat.session();
    try {
      await this.#work(seat, plan, grant, hold);
    } finally {
      const { wasLost } = grant.belief;
      grant.belief.end();
      await hold.release();
      // Without the session, nobody here knows whether what was sent is settled; the guard is.
      if (!wasLost && session?.state.status !== 'lost') grant.settledAtMs = this.nowMs();
    }
  }

  async #run(seat: SemaphoreSeat, plan: CallerPlan, asked: Parameters<Semaphore['run']>[1]): Promise<void> {
    let lostWithin = false;
    await seat.semaphore.run(async (hold) => {
      const grant = this.#granted(seat, hold);
      await this.#work(seat, plan, grant, hold);
      lostWithin = hold.signal.aborted;
      grant.belief.end();
    }, asked);
    if (!lostWithin) return;
    throw new AssertionError({ message: 'work that lost its permits was told to have gone well' });
  }

  async #whileWaiting<T>(seat: SemaphoreSeat, asked: Promise<T>): Promise<T> {
    seat.waiting += 1;
    try {
      return await asked;
    } finally {
      seat.waiting -= 1;
    }
  }

  #granted(seat: Seat, hold: SemaphoreHold): SeenPermits {
    const grant = new SeenPermits(seat, hold, this.nowMs);
    this.grants.push(grant);
    return grant;
  }

  async #work(seat: Seat, plan: CallerPlan, grant: SeenPermits, hold: SemaphoreHold): Promise<void> {
    this.seats.strike(plan, grant.process);
    await this.#write(plan, grant, hold);
    const { client } = seat;
    const isHealed = () => this.seats.isHealed;
    const holding = { client, belief: grant.belief, signal: hold.signal, holdMs: plan.holdMs, isHealed };
    if ((await stay(holding)) === 'untold') {
      broken('LOCK-9', `${grant.process.name} found its permits lost, and their signal has not fired`);
    }
    await this.#write(plan, grant, hold);
  }

  /** Waits for its end, or leaves it alone. */
  async #write({ write }: CallerPlan, grant: SeenPermits, hold: SemaphoreHold): Promise<void> {
    if (write === 'awaited') await this.#writeUnder(grant, hold);
    else if (write === 'left') void this.#writeUnder(grant, hold, leftWriteMs);
  }

  async #writeUnder({ token, place }: SeenPermits, hold: SemaphoreHold, timeoutMs?: number): Promise<void> {
    try {
      await hold.txn({ success: [put(this.resource, `${token} ${place}`)] }, { timeoutMs });
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (error.code === 'fenced') this.reached('a write under a hold was refused by the store');
      else if (error.outcome === 'unknown') this.reached('nobody knew what became of a write under a hold');
    }
  }

  #onWatchItem(process: SimulatedProcess, request: WatchRequest, item: WatchItem): void {
    if (request.key !== this.prefix || (this.seats.seatOf(process)?.waiting ?? 0) === 0) return;
    this.#cuts.onItem(process, item);
  }
}
