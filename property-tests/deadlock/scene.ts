/** The processes of a run, each with a client, its mutexes and its callers. */

import type { ToldDeadlock } from '../../src/checkers/deadlock.js';
import type { Grant } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { sleep, type WaitOptions } from '../../src/runtime/index.js';
import { type Key, Keyspace, type TxnRequest } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { waitOptions } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import { type Look, type Wire, withLooks } from './looks.js';
import type { Situation } from './situations.js';
import { type CallerPlan, type DeadlockWorkload, type Name, names } from './workload.js';

/** Holds, and what is between them, are no longer than that once everything is healed. */
const healedMs = 10;
/** More than one lost reply takes. */
const handOffWithinMs = 2_000;

export interface OwnersSeat extends Seat {
  readonly mutexes: ReadonlyMap<Name, Mutex>;
}

export interface Wanted {
  readonly name: Name;
  /** Undefined: nobody says for whom. */
  readonly owner: string | undefined;
  readonly options?: WaitOptions;
  /** When it first looks for a circle, if not as the others do. */
  readonly afterMs?: number;
}

/** A wait that failed with `deadlock`. */
export interface SeenDeadlock extends ToldDeadlock {
  readonly isHealed: boolean;
}

/** A request of whose outcome its sender was told that nobody knows it. */
export interface LostRequest {
  readonly text: string;
  readonly atMs: number;
}

export class Scene {
  readonly keys = new Keyspace(namespace);
  /** The prefix of all places. */
  readonly places: Key = this.keys.typePrefix('lock');
  readonly grants = new Map<Name, Grant[]>(names.map((name) => [name, []]));
  readonly told: SeenDeadlock[] = [];
  readonly looks: Look[] = [];
  readonly lost: LostRequest[] = [];
  readonly wire: Wire = { looksToFail: 0, repliesToLose: 0, beforeAnswer: undefined };
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, OwnersSeat>;
  readonly #world: World<DeadlockWorkload>;
  readonly #ownerNumbers = new Map<CallerPlan, number>();
  readonly #traffic: LineTraffic;

  constructor(world: World<DeadlockWorkload>) {
    const { places, nowMs } = this;
    this.#world = world;
    const onLost = (request: TxnRequest) => this.lost.push({ text: JSON.stringify(request), atMs: nowMs() });
    this.#traffic = new LineTraffic({ nowMs, line: places, onUnknown: onLost });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store, name, incarnation }) =>
        withLooks(this.#traffic.watched(store), {
          ...{ label: `${name}.${incarnation}`, places, nowMs, wire: this.wire, onLost },
          onLook: (look) => this.looks.push(look),
        }),
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: places, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  get lines(): readonly Key[] {
    return names.map((name) => this.lineOf(name));
  }

  lineOf(name: Name): Key {
    return `${this.keys.prefix('lock', name)}l/`;
  }

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  /** One lock for one owner, or for nobody; undefined if it was told `deadlock`. */
  async acquire(seat: OwnersSeat, { name, owner, options = {}, afterMs }: Wanted): Promise<Hold | undefined> {
    const mutex = seat.mutexes.get(name) as Mutex;
    const deadlockAfterMs = afterMs ?? this.#world.workload.deadlockAfterMs;
    const askedAtMs = this.nowMs();
    try {
      const hold = await mutex.acquire({ ...options, owner, deadlockAfterMs });
      const grant = { process: seat.process.name, place: hold.guard().key, token: hold.token };
      this.grants.get(name)?.push(grant);
      return hold;
    } catch (error) {
      if (!isQuorateError(error, 'deadlock') || owner === undefined) throw error;
      this.told.push({
        ...{ process: seat.process.name, owner, line: this.lineOf(name) },
        ...{ askedAtMs, toldAtMs: this.nowMs(), isHealed: this.seats.isHealed },
      });
      return undefined;
    }
  }

  #furnish(seat: Seat): OwnersSeat {
    const mutexes = new Map(names.map((name) => [name, new Mutex(seat.client, name)]));
    return { ...seat, mutexes };
  }

  /** Takes what it wants, one after the other, and lets all go again; or, told of a circle, what it has. */
  async #round(seat: OwnersSeat, plan: CallerPlan): Promise<void> {
    const { runtime } = seat.client;
    const owner = plan.isNamed ? this.#ownerOf(seat, plan) : undefined;
    const isPatient = plan.patienceMs === 0 || this.seats.isHealed;
    const holds: Hold[] = [];
    try {
      for (const name of plan.isNamed ? plan.names : plan.names.slice(0, 1)) {
        const { options, end } = waitOptions(isPatient ? { ...plan, patienceMs: 0 } : plan, seat.client);
        const hold = await this.acquire(seat, { name, owner, options }).finally(end);
        if (holds.some(({ signal }) => signal.aborted)) {
          this.reached('a hold was lost while its owner waited for another');
        }
        if (hold === undefined) return;
        holds.push(hold);
        this.seats.strike(plan, seat.process);
        await sleep(runtime, this.#shortened(plan.betweenMs));
      }
      await sleep(runtime, this.#shortened(plan.holdMs));
      await this.#handOn(plan, holds[0]);
    } catch (error) {
      if (!isQuorateError(error) || isPatient) throw error;
      if (error.code !== 'timeout' && error.code !== 'aborted') throw error;
      this.reached('a wait was given up');
    } finally {
      for (const hold of holds) await hold.release();
    }
  }

  /** To whom it names, if that waits. Two locks handed to one who waits for both would be more than it asked for at a time. */
  async #handOn({ handsTo }: CallerPlan, hold: Hold | undefined): Promise<void> {
    const to = this.seats.processes[handsTo];
    if (to === undefined || hold === undefined || this.seats.isHealed) return;
    const options = { timeoutMs: handOffWithinMs };
    await hold.handOff(`${to.name}.${to.incarnation}`, options).catch((error: unknown) => {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    });
  }

  #shortened(ms: number): number {
    return this.seats.isHealed ? Math.min(ms, healedMs) : ms;
  }

  /** One line of execution: this caller in this life of its process. */
  #ownerOf({ process, incarnation }: OwnersSeat, plan: CallerPlan): string {
    const number = this.#ownerNumbers.get(plan) ?? this.#ownerNumbers.size;
    this.#ownerNumbers.set(plan, number);
    return `owner ${number} of ${process.name}.${incarnation}`;
  }
}
