/** The processes of a run, each with a client, a read-write lock and its callers. */
import { AssertionError } from 'node:assert';
import type { SeenUpgrade } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import type { ReadHold, ReadWriteHold, WriteHold } from '../../src/locks/read-write/holds.js';
import { ReadWriteLock } from '../../src/locks/read-write-lock.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import {
  type Key,
  Keyspace,
  put,
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
import type { Writable } from '../support/writable.js';
import { changeOf } from './changes.js';
import { SeenHold } from './seen-hold.js';
import type { Situation } from './situations.js';
import type { CallerPlan, ReadWriteWorkload } from './workload.js';

interface LockSeat extends Seat {
  readonly lock: ReadWriteLock;
  /** Callers that wait. */
  waiting: number;
}

/** What a caller has at the moment. */
interface Had {
  readonly hold: ReadHold | WriteHold;
  readonly seen: SeenHold;
}

export class Scene {
  readonly name = 'rw';
  /** The prefix of the places. */
  readonly line: Key = `${new Keyspace(namespace).prefix('rwlock', this.name)}l/`;
  readonly resource = 'resource';
  readonly grants: SeenHold[] = [];
  readonly upgrades: SeenUpgrade[] = [];
  readonly traffic: LineTraffic;
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, LockSeat>;
  readonly #world: World<ReadWriteWorkload>;
  readonly #cuts: CutWatches;
  #owners = 0;

  constructor(world: World<ReadWriteWorkload>) {
    this.#world = world;
    this.traffic = new LineTraffic({
      ...{ nowMs: this.nowMs, line: this.line },
      onUnknown: (request) => this.#onUnknown(request),
    });
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

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  granted(seat: Seat, hold: ReadWriteHold, turnedFrom?: SeenHold): SeenHold {
    const seen = new SeenHold({ seat, hold, line: this.line, turnedFrom, nowMs: this.nowMs });
    this.grants.push(seen);
    return seen;
  }

  /** What it held when it crashed. */
  #bury(process: SimulatedProcess): void {
    for (const seen of this.grants) {
      if (seen.process !== process || seen.belief.endedAtMs !== undefined) continue;
      seen.belief.end();
      this.reached('a process crashed while it held the lock');
    }
  }

  #furnish(seat: Seat): LockSeat {
    const { sliceGrants, sliceMs, watchHoldAfterMs } = this.#world.workload;
    const lock = new ReadWriteLock(seat.client, this.name, { sliceGrants, sliceMs, watchHoldAfterMs });
    return { ...seat, lock, waiting: 0 };
  }

  async #round(seat: LockSeat, plan: CallerPlan): Promise<void> {
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    // Of its own, since who waits holds nothing: one for all would close circles that are none.
    this.#owners += 1;
    const asked = plan.hasOwner ? { owner: `caller ${this.#owners}`, ...options } : options;
    try {
      if (plan.way === 'with') await this.#with(seat, plan, asked);
      else await this.#acquire(seat, plan, asked);
    } catch (error) {
      this.#passOver(error, plan, isPatient);
    } finally {
      end();
    }
  }

  #passOver(error: unknown, { way }: CallerPlan, isPatient: boolean): void {
    if (!isQuorateError(error) || error.code === 'internal') throw error;
    const { code } = error;
    if (!isPatient && (code === 'timeout' || code === 'aborted')) this.reached('a wait was given up');
    else if (way === 'with' && (code === 'session-lost' || code === 'hold-lost')) {
      this.reached('work was told that its lock had been lost');
    } else if (way !== 'try') throw error;
  }

  async #acquire(
    seat: LockSeat,
    plan: CallerPlan,
    asked: Parameters<ReadWriteLock['acquireRead']>[0],
  ): Promise<void> {
    const { lock } = seat;
    const isReader = plan.as === 'reader';
    let hold: ReadHold | WriteHold | undefined;
    if (plan.way === 'try') {
      hold = await (isReader ? lock.tryAcquireRead(asked) : lock.tryAcquireWrite(asked));
      this.reached(hold ? 'a try took the lock' : 'a try found the lock taken');
    } else {
      const waiting: Promise<ReadHold | WriteHold> = isReader
        ? lock.acquireRead(asked)
        : lock.acquireWrite(asked);
      hold = await this.#whileWaiting(seat, waiting);
    }
    if (hold === undefined) return;
    const last = await this.#work(seat, plan, hold);
    await this.#release(seat, last);
  }

  /** What the work has turned the hold into, it releases itself. */
  async #with(seat: LockSeat, plan: CallerPlan, asked: Parameters<ReadWriteLock['withRead']>[1]) {
    let lostWithin = false;
    const work = async (hold: ReadHold | WriteHold) => {
      const last = await this.#work(seat, plan, hold);
      if (last.hold !== hold) return this.#release(seat, last);
      lostWithin = hold.signal.aborted;
      last.seen.belief.end();
    };
    await (plan.as === 'reader' ? seat.lock.withRead(work, asked) : seat.lock.withWrite(work, asked));
    if (!lostWithin) return;
    throw new AssertionError({ message: 'work that lost its lock was told to have gone well' });
  }

  async #release(seat: Seat, { hold, seen }: Had): Promise<void> {
    const session = seat.session();
    const { wasLost } = seen.belief;
    seen.belief.end();
    await hold.release();
    // Without the session, nobody here knows whether what was sent is settled; the guards are.
    if (!wasLost && session?.state.status !== 'lost') seen.settledAtMs = this.nowMs();
  }

  async #whileWaiting<T>(seat: LockSeat, asked: Promise<T>): Promise<T> {
    seat.waiting += 1;
    try {
      return await asked;
    } finally {
      seat.waiting -= 1;
    }
  }

  /** Holds, writes, and turns the hold as often as the plan has it. Answers what there is at the end, held or lost. */
  async #work(seat: LockSeat, plan: CallerPlan, hold: ReadHold | WriteHold): Promise<Had> {
    let had: Had = { hold, seen: this.granted(seat, hold) };
    this.seats.strike(plan, seat.process);
    for (let turn = 0; ; turn += 1) {
      await this.#write(plan, had);
      const { belief } = had.seen;
      const isHealed = () => this.seats.isHealed;
      const holding = { client: seat.client, belief, signal: had.hold.signal, holdMs: plan.holdMs, isHealed };
      if ((await stay(holding)) === 'untold') {
        broken('LOCK-9', `${seat.process.name} found ${had.seen.mark} lost, and its signal has not fired`);
      }
      await this.#write(plan, had);
      if (turn >= plan.turns || belief.endedAtMs !== undefined) return had;
      const next = await this.turn(seat, had, plan).catch((error: unknown) => {
        if (!isQuorateError(error) || (error.code !== 'hold-lost' && error.code !== 'session-lost'))
          throw error;
        this.reached('an upgrade or a downgrade found its hold lost');
        had.seen.belief.end();
        return undefined;
      });
      if (next === undefined) return had;
      had = next;
    }
  }

  /** Upgrades or downgrades. Undefined if it was refused or given up, and the hold stands as before. */
  async turn(
    seat: LockSeat,
    had: Had,
    { turnPatienceMs, givesUpBy }: Pick<CallerPlan, 'turnPatienceMs' | 'givesUpBy'>,
  ): Promise<Had | undefined> {
    const { hold, seen } = had;
    if ('downgrade' in hold) {
      seen.belief.end();
      const lower = await hold.downgrade();
      return { hold: lower, seen: this.granted(seat, lower, seen) };
    }
    const { isPatient, options, end } = this.seats.waitOf(seat, {
      patienceMs: turnPatienceMs,
      givesUpBy,
    });
    const { readKey, process } = seen;
    const upgrade: Writable<SeenUpgrade> = {
      ...{ process: process.name, readKey, fromMs: this.nowMs(), isRefused: false },
    };
    this.upgrades.push(upgrade);
    const { deedsAtUpgrades } = this.#world.workload;
    if (deedsAtUpgrades && !this.seats.isHealed && this.#world.random.chance(0.3)) {
      void this.administrator.deletePlace(readKey);
    }
    const others = this.grants.filter(
      (other) => other !== seen && other.readKey === readKey && other.belief.endedAtMs === undefined,
    );
    try {
      const higher = await this.#whileWaiting(seat, hold.upgrade(options));
      seen.belief.end();
      if (others.length > 0) this.reached('an upgrade waited for readers of its own place');
      return { hold: higher, seen: this.granted(seat, higher, seen) };
    } catch (error) {
      if (!isQuorateError(error)) throw error;
      upgrade.isRefused = error.code === 'upgrade-conflict';
      if (upgrade.isRefused) this.reached('an upgrade was refused');
      else if (!isPatient && (error.code === 'timeout' || error.code === 'aborted')) {
        this.reached('an upgrade was given up');
      } else throw error;
      return undefined;
    } finally {
      end();
      upgrade.toMs = this.nowMs();
    }
  }

  /** Waits for its end, or leaves it alone. */
  async #write({ write, leftMs }: CallerPlan, had: Had): Promise<void> {
    if (write === 'awaited') await this.write(had);
    else if (write === 'left') void this.write(had, leftMs);
  }

  /** Whether it was certainly applied. */
  async write({ hold, seen }: Had, timeoutMs?: number): Promise<boolean> {
    try {
      await hold.txn({ success: [put(this.resource, seen.mark)] }, { timeoutMs });
      return true;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      seen.hasUnknown ||= error.outcome === 'unknown';
      if (error.code === 'fenced') this.reached('a write under a hold was refused by the store');
      else if (error.outcome === 'unknown') this.reached('nobody knew what became of a write under a hold');
      return false;
    }
  }

  #onUnknown(request: TxnRequest): void {
    const change = changeOf(request, this.line);
    if (change === 'upgrade') this.reached('the reply to an upgrade was lost');
    if (change === 'downgrade') this.reached('the reply to a downgrade was lost');
  }

  #onWatchItem(process: SimulatedProcess, request: WatchRequest, item: WatchItem): void {
    if (request.key !== this.line || (this.seats.seatOf(process)?.waiting ?? 0) === 0) return;
    this.#cuts.onItem(process, item);
  }
}
