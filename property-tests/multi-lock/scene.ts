/** The processes of a run, each with a client and its callers, which may crash and start anew at any moment. */
import { AssertionError } from 'node:assert';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import { type Hold, Mutex } from '../../src/locks/index.js';
import type { MultiHold } from '../../src/locks/multi-lock/multi-hold.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import type { WaitOptions } from '../../src/runtime/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace, put } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { stay } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import { SeenHold } from '../support/seen-hold.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import { type CallerPlan, type MultiLockWorkload, type Name, names } from './workload.js';

/** They are written to so often, so that one may come just after a loss. */
const writesOfAHold = 8;
/** How long a write is waited for that nobody waits for. */
const leftWriteMs = 60;

interface MutexesSeat extends Seat {
  readonly mutexes: ReadonlyMap<Name, Mutex>;
}

export class Scene {
  /** The prefix of all places. */
  readonly places: Key = `${namespace}/lock/`;
  readonly grants: SeenHold[] = [];
  readonly traffic: LineTraffic;
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, MutexesSeat>;
  readonly #world: World<MultiLockWorkload>;

  constructor(world: World<MultiLockWorkload>) {
    this.#world = world;
    this.traffic = new LineTraffic({ nowMs: this.nowMs, line: this.places });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }) => this.traffic.watched(store),
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
      bury: (process) => this.#bury(process),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: this.places, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  lineOf(name: string): Key {
    return `${new Keyspace(namespace).prefix('lock', name)}l/`;
  }

  resourceOf(name: string): Key {
    return `resource/${name}`;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** What it held when it crashed. */
  #bury(process: SimulatedProcess): void {
    for (const grant of this.grants) {
      if (grant.process !== process || grant.belief.endedAtMs !== undefined) continue;
      grant.belief.end();
      if (grant.by === 'set') this.reached('a process crashed while it held a set');
    }
  }

  #furnish(seat: Seat): MutexesSeat {
    const { watchHoldAfterMs } = this.#world.workload;
    const mutexes = new Map(names.map((name) => [name, new Mutex(seat.client, name, { watchHoldAfterMs })]));
    return { ...seat, mutexes };
  }

  async #round(seat: MutexesSeat, plan: CallerPlan): Promise<void> {
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    try {
      await (plan.by === 'set' ? this.#useSet(seat, plan, options) : this.#useMutex(seat, plan, options));
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
      if (plan.way !== 'try-acquire' && plan.by === 'set') this.reached('a wait was given up');
    } else if (plan.way === 'run-exclusive' && (code === 'session-lost' || code === 'hold-lost')) {
      if (plan.by === 'set') this.reached('a critical section was told that its locks had been lost');
    } else if (plan.way !== 'try-acquire') throw error;
  }

  async #useSet(seat: MutexesSeat, plan: CallerPlan, options: WaitOptions): Promise<void> {
    const { watchHoldAfterMs } = this.#world.workload;
    const multi = new MultiLock(seat.client, plan.names, { watchHoldAfterMs });
    if (plan.way === 'run-exclusive') return this.#runExclusive(seat, plan, multi, options);
    const hold = plan.way === 'acquire' ? await multi.acquire(options) : await multi.tryAcquire(options);
    if (plan.way === 'try-acquire') this.reached(hold ? 'a try took a set' : 'a try found a lock taken');
    if (hold !== undefined) await this.#hold(seat, plan, plan.names, hold);
  }

  async #useMutex(seat: MutexesSeat, plan: CallerPlan, options: WaitOptions): Promise<void> {
    const [name] = plan.names as [Name];
    const mutex = seat.mutexes.get(name) as Mutex;
    const hold = await (plan.way === 'try-acquire' ? mutex.tryAcquire(options) : mutex.acquire(options));
    if (hold === undefined) return;
    await this.#hold(seat, plan, [name], hold, () => this.#handOn(plan, hold));
  }

  /** To whom it names, who may wait for this lock alone or for more. */
  async #handOn({ handsTo }: CallerPlan, hold: Hold): Promise<void> {
    const to = this.seats.processes[handsTo];
    if (to === undefined) return;
    const handed = await hold.handOff(`${to.name}.${to.incarnation}`).catch((error: unknown) => {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      return false;
    });
    if (handed) this.reached('a mutex was handed to one who waited');
  }

  async #runExclusive(
    seat: MutexesSeat,
    plan: CallerPlan,
    multi: MultiLock,
    options: WaitOptions,
  ): Promise<void> {
    let lostWithin = false;
    await multi.runExclusive(async (hold) => {
      const grant = this.#granted(seat, plan.names, hold);
      await this.#critical(seat, plan, grant, hold);
      lostWithin = hold.signal.aborted;
      grant.belief.end();
    }, options);
    if (!lostWithin) return;
    throw new AssertionError({
      message: 'a critical section that lost its locks was told to have gone well',
    });
  }

  async #hold(
    seat: MutexesSeat,
    plan: CallerPlan,
    held: readonly Name[],
    hold: Hold | MultiHold,
    handOn: () => Promise<void> = async () => {},
  ): Promise<void> {
    const grant = this.#granted(seat, held, hold);
    const session = seat.session();
    try {
      await this.#critical(seat, plan, grant, hold);
    } finally {
      const { wasLost } = grant.belief;
      grant.belief.end();
      await handOn();
      await hold.release();
      // Without the session, nobody here knows whether what was sent is settled; the guard is.
      if (!wasLost && session?.state.status !== 'lost') grant.settledAtMs = this.nowMs();
    }
  }

  #granted({ process }: Seat, held: readonly Name[], hold: Hold | MultiHold): SeenHold {
    const grant = new SeenHold({ hold, names: held, process, nowMs: this.nowMs });
    this.grants.push(grant);
    return grant;
  }

  async #critical(
    seat: MutexesSeat,
    plan: CallerPlan,
    grant: SeenHold,
    hold: Hold | MultiHold,
  ): Promise<void> {
    this.seats.strike(plan, grant.process);
    const { client } = seat;
    const isHealed = () => this.seats.isHealed;
    const holdMs = plan.holdMs / writesOfAHold;
    for (let write = 0; write < writesOfAHold; write += 1) {
      await this.#write(plan, grant, hold);
      const ended = await stay({ client, belief: grant.belief, signal: hold.signal, holdMs, isHealed });
      if (ended === 'untold') {
        broken('LOCK-9', `${grant.process.name} found its locks lost, and their signal has not fired`);
      }
    }
    await this.#write(plan, grant, hold);
  }

  /** Waits for its end, or leaves it alone. */
  async #write({ write }: CallerPlan, grant: SeenHold, hold: Hold | MultiHold): Promise<void> {
    if (write === 'awaited') await this.#writeAll(grant, hold);
    else if (write === 'left') void this.#writeAll(grant, hold, { timeoutMs: leftWriteMs });
  }

  /** To what each of the locks protects, in one transaction. */
  async #writeAll({ by, parts }: SeenHold, hold: Hold | MultiHold, options: WaitOptions = {}): Promise<void> {
    const success = parts.map(({ name, token }) => put(this.resourceOf(name), String(token)));
    try {
      await hold.txn({ success }, options);
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      if (by === 'mutex') return;
      if (error.code === 'fenced') this.reached('a write under a set was refused by the store');
      else if (error.outcome === 'unknown') this.reached('nobody knew what became of a write under a set');
    }
  }
}
