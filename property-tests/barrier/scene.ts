/** The processes of a run, each with a client, its gate and its callers. */
import { Barrier, type GateHold } from '../../src/barriers/index.js';
import type { SeenClosing, SeenOpening, SeenWait } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep, type WaitOptions } from '../../src/runtime/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace, type Store } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { CuttableWatches } from '../support/cuttable-watches.js';
import { waitOptions } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { BarrierWorkload, CallerPlan } from './workload.js';

/** Holds are no longer than that once everything is healed. */
const healedMs = 10;
const openEveryMs = 1_000;

export interface GateSeat extends Seat {
  readonly barrier: Barrier;
  /** Callers that wait. */
  waiting: number;
}

export interface PersistentClosing {
  readonly process: string;
  readonly calledAtMs: number;
  readonly toldAtMs: number;
  /** The label of its client. */
  readonly by: string;
}

export class Scene {
  readonly name = 'b';
  readonly gate: Key = `${new Keyspace(namespace).prefix('barrier', this.name)}gate`;
  readonly waits: SeenWait[] = [];
  readonly closings: SeenClosing[] = [];
  readonly openings: SeenOpening[] = [];
  /** Calls that were told that they closed the gate on purpose. */
  readonly persistent: PersistentClosing[] = [];
  readonly administrator: Administrator;
  readonly watches = new CuttableWatches();
  readonly seats: Seats<CallerPlan, GateSeat>;
  readonly #world: World<BarrierWorkload>;
  readonly #traffic: LineTraffic;
  #isOpening = false;
  #openAtMs = 0;
  readonly #bySeat = new Map<SimulatedProcess, GateSeat>();

  constructor(world: World<BarrierWorkload>) {
    this.#world = world;
    this.#traffic = new LineTraffic({ nowMs: this.nowMs, line: this.gate });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }, process) => this.#watched(store, process),
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: this.gate, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  /** Of those processes that nothing hinders any more. */
  get coreSeats(): readonly GateSeat[] {
    return this.seats.processes.flatMap((process) => {
      const seat = this.#bySeat.get(process);
      return process.isCore && seat !== undefined ? [seat] : [];
    });
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Asked again and again once everything is healed: nobody waits for one who will not come. */
  openNowAndThen(): void {
    const seat = this.coreSeats.find(({ process, incarnation }) => process.incarnation === incarnation);
    if (this.#isOpening || seat === undefined || this.nowMs() < this.#openAtMs) return;
    this.#isOpening = true;
    const over = () => {
      this.#isOpening = false;
      this.#openAtMs = this.nowMs() + openEveryMs;
    };
    this.openAny(seat).then(over, over);
  }

  async wait(seat: GateSeat, options: WaitOptions = {}): Promise<void> {
    const calledAtMs = this.nowMs();
    seat.waiting += 1;
    try {
      await seat.barrier.wait(options);
    } finally {
      seat.waiting -= 1;
    }
    this.waits.push({ process: seat.process.name, calledAtMs, returnedAtMs: this.nowMs() });
  }

  async close(seat: GateSeat, options: WaitOptions = {}): Promise<GateHold> {
    const hold = await seat.barrier.close(options);
    const lease = seat.session()?.leaseId ?? '?';
    this.closings.push({ process: seat.process.name, revision: hold.revision, lease });
    return hold;
  }

  async openHold({ process }: GateSeat, hold: GateHold): Promise<void> {
    // Once it was asked to, it goes on until the session ends.
    this.openings.push({ process: process.name, calledAtMs: this.nowMs(), closedAt: hold.revision });
    await hold.open();
  }

  #watched(store: Store, process: SimulatedProcess): Store {
    return this.#traffic.watched(this.watches.of(store), (request, item) => {
      if (request.key !== this.gate || item.type !== 'interrupted') return;
      const seat = this.#bySeat.get(process);
      if (seat !== undefined && seat.waiting > 0) this.reached('the watch of a process that waited was cut');
    });
  }

  #furnish(seat: Seat): GateSeat {
    const furnished = { ...seat, barrier: new Barrier(seat.client, this.name), waiting: 0 };
    this.#bySeat.set(seat.process, furnished);
    return furnished;
  }

  async #round(seat: GateSeat, plan: CallerPlan): Promise<void> {
    const isPatient = plan.patienceMs === 0;
    const { options, end } = waitOptions(plan, seat.client);
    try {
      if (plan.role === 'wait') await this.wait(seat, options);
      else if (plan.role === 'open') await this.openAny(seat, options);
      else if (plan.role === 'persist') await this.#persist(seat, options);
      else await this.#hold(seat, plan, options);
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      const { code } = error;
      if (code === 'gate-closed') this.reached('a gate was closed already');
      else if (code === 'timeout' || code === 'aborted') {
        if (isPatient && plan.role === 'wait') throw error;
        if (plan.role === 'wait') this.reached('a wait was given up');
      } else if (plan.role === 'wait') throw error;
    } finally {
      end();
    }
  }

  async #hold(seat: GateSeat, plan: CallerPlan, options: WaitOptions): Promise<void> {
    const calledAtMs = this.nowMs();
    let hold: GateHold;
    try {
      hold = await this.close(seat, options);
    } catch (error) {
      // It may have been closed, and is opened again then.
      this.openings.push({ process: seat.process.name, calledAtMs, by: seat.client.label });
      throw error;
    }
    this.seats.strike(plan, seat.process);
    const { runtime } = seat.client;
    await sleep(runtime, this.seats.isHealed ? Math.min(healedMs, plan.holdMs) : plan.holdMs);
    if (hold.signal.aborted) this.reached('a hold was lost with its session');
    if (!plan.closesAgain || this.seats.isHealed) return this.openHold(seat, hold);
    const opened = this.openHold(seat, hold);
    const again = await this.close(seat);
    await opened;
    await sleep(runtime, healedMs);
    await this.openHold(seat, again);
  }

  async #persist(seat: GateSeat, options: WaitOptions): Promise<void> {
    const calledAtMs = this.nowMs();
    if (!(await seat.barrier.closePersistently(options))) return;
    this.reached('a gate was closed on purpose');
    this.persistent.push({
      process: seat.process.name,
      calledAtMs,
      toldAtMs: this.nowMs(),
      by: seat.client.label,
    });
  }

  async openAny({ barrier, process }: GateSeat, options: WaitOptions = {}): Promise<void> {
    const opening = { process: process.name, calledAtMs: this.nowMs() };
    const index = this.openings.push(opening) - 1;
    try {
      await barrier.open(options);
    } finally {
      // What it sent may arrive later, but names what stood when it asked.
      this.openings[index] = { ...opening, askedByMs: this.nowMs() };
    }
  }
}
