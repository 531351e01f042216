/** The processes of a run, each with a client, its latch and its callers. */
import { CountDownLatch } from '../../src/barriers/index.js';
import type { SeenArrival, SeenWait } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { WaitOptions } from '../../src/runtime/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace } from '../../src/store/index.js';
import { waitOptions } from '../support/holding.js';
import { LineTraffic } from '../support/line-traffic.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { CallerPlan, LatchWorkload } from './workload.js';

const retryMs = 300;

interface LatchSeat extends Seat {
  readonly latch: CountDownLatch;
  /** Callers that wait. */
  waiting: number;
}

export class Scene {
  readonly name = 'l';
  readonly prefix: Key = new Keyspace(namespace).prefix('latch', this.name);
  readonly waits: SeenWait[] = [];
  readonly arrivals: SeenArrival[] = [];
  readonly seats: Seats<CallerPlan, LatchSeat>;
  readonly #world: World<LatchWorkload>;
  readonly #traffic: LineTraffic;
  readonly #bySeat = new Map<SimulatedProcess, LatchSeat>();
  /** Calls that count down and are under way. */
  readonly #counting = new Map<SimulatedProcess, number>();
  #names = 0;
  #isArriving = false;
  #arriveAtMs = 0;

  constructor(world: World<LatchWorkload>) {
    this.#world = world;
    this.#traffic = new LineTraffic({ nowMs: this.nowMs, line: this.prefix });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }, process) =>
        this.#traffic.watched(store, (_request, { type }) => {
          const waiting = this.#bySeat.get(process)?.waiting ?? 0;
          if (type === 'interrupted' && waiting > 0)
            this.#reached('the watch of a process that waited was cut');
        }),
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
      bury: (process) => this.#bury(process),
    });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  /** Asked again and again once everything is healed: as many arrive as it takes, so that nobody waits for one who will not come. */
  arriveForAll(): void {
    if (this.#isArriving || this.nowMs() < this.#arriveAtMs) return;
    const seat = [...this.#bySeat.values()].find(
      ({ process, incarnation }) => process.isCore && process.incarnation === incarnation,
    );
    if (seat === undefined) return;
    this.#isArriving = true;
    const over = () => {
      this.#isArriving = false;
      this.#arriveAtMs = this.nowMs() + retryMs;
    };
    this.#arrive(seat, `missing ${this.#names}`, {}).then(over, over);
  }

  #reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  #bury(process: SimulatedProcess): void {
    if ((this.#counting.get(process) ?? 0) > 0) this.#reached('a process crashed as it counted down');
    this.#counting.delete(process);
  }

  #furnish(seat: Seat): LatchSeat {
    const { count } = this.#world.workload;
    const furnished = { ...seat, latch: new CountDownLatch(seat.client, this.name, { count }), waiting: 0 };
    this.#bySeat.set(seat.process, furnished);
    return furnished;
  }

  async #round(seat: LatchSeat, plan: CallerPlan): Promise<void> {
    const isPatient = plan.patienceMs === 0;
    const { options, end } = waitOptions(plan, seat.client);
    try {
      if (plan.role === 'wait') await this.#wait(seat, options);
      else await this.#countDown(seat, plan, options);
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      const hasGivenUp = error.code === 'timeout' || error.code === 'aborted';
      if (hasGivenUp && !isPatient && plan.role === 'wait') this.#reached('a wait was given up');
      else if (plan.role === 'wait' || (isPatient && error.code !== 'no-space')) throw error;
    } finally {
      end();
    }
  }

  async #wait(seat: LatchSeat, options: WaitOptions): Promise<void> {
    const calledAtMs = this.nowMs();
    seat.waiting += 1;
    try {
      await seat.latch.wait(options);
    } finally {
      seat.waiting -= 1;
    }
    this.waits.push({ process: seat.process.name, calledAtMs, returnedAtMs: this.nowMs() });
    this.#reached('a wait returned');
  }

  async #countDown(seat: LatchSeat, plan: CallerPlan, options: WaitOptions): Promise<void> {
    const arriving = this.#arrive(seat, plan.id === '' ? `own ${this.#names}` : plan.id, options);
    this.seats.strike(plan, seat.process);
    await arriving;
  }

  async #arrive(seat: LatchSeat, id: string, options: WaitOptions) {
    const { process, latch } = seat;
    this.#names += 1;
    const call = { process: process.name, id, calledAtMs: this.nowMs() };
    const index = this.arrivals.push(call) - 1;
    this.#counting.set(process, (this.#counting.get(process) ?? 0) + 1);
    try {
      const told = await latch.countDown({ id, ...options });
      this.arrivals[index] = { ...call, told: { ...told, atMs: this.nowMs() } };
      this.#reached(
        told.counted || told.remaining > 0 ? 'an arrival was counted' : 'an arrival came to an open latch',
      );
      return told;
    } finally {
      this.#counting.set(process, (this.#counting.get(process) ?? 1) - 1);
    }
  }
}
