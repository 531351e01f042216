/** The processes of a run, each with a client, the value, its callers, a watcher and a reader of changes. */

import { AtomicValue, type TransactionGuard, type Versioned } from '../../src/atomics/index.js';
import type { SeenValue, ValueCall } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { Session } from '../../src/session/index.js';
import { bytesOf, type Codec, type Key, Keyspace, textOf } from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import { paced, type Seat, Seats } from '../support/seats.js';
import { comeOut, comeUnder, compareOf, guardOf } from '../support/under.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import { Watching } from './watching.js';
import type { CallerPlan, ProcessPlan, ValueWorkload } from './workload.js';

interface ValueSeat extends Seat {
  readonly value: AtomicValue<string>;
  readonly mutex: Mutex;
}

/** A call as it is noted while it goes on. */
type Noted = { -readonly [Name in keyof ValueCall]: ValueCall[Name] };

export interface ReadHistory {
  readonly process: string;
  readonly versions: readonly SeenValue[];
}

const name = 'v';
const lockName = 'm';
const text: Codec<string> = { encode: bytesOf, decode: textOf };

export class Scene {
  readonly key: Key = `${new Keyspace(namespace).prefix('value', name)}v`;
  readonly calls: Noted[] = [];
  readonly histories: ReadHistory[] = [];
  readonly watching: Watching;
  readonly seats: Seats<CallerPlan, ValueSeat>;
  readonly #world: World<ValueWorkload>;
  #texts = 0;

  constructor(world: World<ValueWorkload>) {
    this.#world = world;
    this.watching = new Watching({
      key: this.key,
      simulation: world.simulation,
      isHurried: () => this.seats.isHealed,
      reached: (situation) => this.reached(situation),
    });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
    });
  }

  start({ callers }: ProcessPlan): void {
    const { inHurry } = this.#world.workload;
    this.seats.start(callers.map((plan) => paced(plan, inHurry)));
  }

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  readonly #nowMs = (): number => this.#world.simulation.nowMs;

  #furnish(seat: Seat): ValueSeat {
    const value = new AtomicValue<string>(seat.client, name, { codec: text });
    const plan = this.#world.workload.processes[seat.process.index];
    if (plan !== undefined) this.watching.start(seat, value, plan);
    return { ...seat, value, mutex: new Mutex(seat.client, lockName) };
  }

  async #round(seat: ValueSeat, plan: CallerPlan): Promise<void> {
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    let had: Session | Hold | undefined;
    try {
      let guard: TransactionGuard | undefined;
      if (plan.guard !== 'none') {
        const under = plan.guard;
        had = await comeUnder(under, seat.client, seat.mutex);
        guard = guardOf(under, had);
      }
      if (plan.struckAs === 'calls') this.seats.strike(plan, seat.process);
      if (guard !== undefined && plan.thinkMs > 0) await sleep(seat.client.runtime, 10 * plan.thinkMs);
      const answered = this.#call(seat, plan, { ...options, guard });
      if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
      await answered;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      const hasGivenUp = isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted');
      if (!isPatient && hasGivenUp) this.reached('a call was given up');
      if (plan.guard !== 'none' && isQuorateError(error, 'fenced')) {
        this.reached('a write was refused, since its guard had ended');
      }
    } finally {
      end();
      await comeOut(had);
    }
  }

  async #call(seat: ValueSeat, plan: CallerPlan, options: CallOptions): Promise<void> {
    switch (plan.what) {
      case 'get':
        await this.#get(seat, options);
        return;
      case 'set':
        return this.#note(seat, 'set', this.#newText(), options, async (call) => {
          call.revision = await seat.value.set(call.text ?? '', options);
        });
      case 'update':
        return this.#update(seat, plan, options);
      case 'delete':
        return this.#note(seat, 'delete', undefined, options, async (call) => {
          call.wasThere = await seat.value.delete(options);
          if (call.wasThere) this.reached('a value was deleted');
        });
      case 'read-history':
        return this.#readHistory(seat, options);
      default:
        return this.#swap(seat, plan, options);
    }
  }

  async #get(seat: ValueSeat, options: CallOptions): Promise<Versioned<string> | undefined> {
    let seen: Versioned<string> | undefined;
    await this.#note(seat, 'get', undefined, {}, async (call) => {
      seen = await seat.value.get(options);
      call.found = foundIn(seen);
    });
    return seen;
  }

  #update(seat: ValueSeat, { thinkMs }: CallerPlan, options: CallOptions): Promise<void> {
    return this.#note(seat, 'update', this.#newText(), options, async (call) => {
      let runs = 0;
      let madeFrom: string | undefined;
      const written = await seat.value.update(async (current) => {
        runs += 1;
        madeFrom = current;
        if (thinkMs > 0) await sleep(seat.client.runtime, thinkMs);
        return call.text ?? '';
      }, options);
      if (runs > 1) this.reached('an update was refused, and made anew');
      call.revision = written.revision;
      call.found = madeFrom === undefined ? null : this.#seenOf(madeFrom);
    });
  }

  /** Texts are written once, so that one tells its revision. */
  #seenOf(madeFrom: string): SeenValue {
    for (const { revision, events } of this.#world.simulation.history) {
      const isIt = events.some(({ kv }) => kv.key === this.key && textOf(kv.value) === madeFrom);
      if (isIt) return { revision, text: madeFrom };
    }
    return { revision: -1, text: madeFrom };
  }

  async #swap(seat: ValueSeat, { what, thinkMs }: CallerPlan, options: CallOptions): Promise<void> {
    const seen = await this.#get(seat, options);
    if (thinkMs > 0) await sleep(seat.client.runtime, thinkMs);
    const deletes = what === 'delete-seen';
    const newText = deletes ? undefined : this.#newText();
    const kind = deletes ? 'compare-and-delete' : 'compare-and-set';
    await this.#note(seat, kind, newText, options, async (call) => {
      const expected = what === 'swap-value' && seen !== undefined ? { value: seen.value } : seen;
      const swapped =
        newText === undefined
          ? await seat.value.compareAndDelete(expected, options)
          : await seat.value.compareAndSet(expected, newText, options);
      if (swapped.succeeded) {
        // To delete what is not there is no write, and has no revision of its own.
        if (newText !== undefined || seen !== undefined) call.revision = swapped.revision;
        call.found = foundIn(seen);
      } else {
        call.outcome = 'refused';
        call.found = foundIn(swapped.found);
        this.reached('a comparison was refused');
      }
    });
  }

  async #readHistory(seat: ValueSeat, options: CallOptions): Promise<void> {
    const versions: SeenValue[] = [];
    this.histories.push({ process: seat.process.name, versions });
    try {
      for await (const { revision, value } of seat.value.history({ ...options, limit: 6 })) {
        versions.push({ revision, text: value });
      }
    } catch (error) {
      if (isQuorateError(error, 'compacted')) this.reached('history ended where it was compacted');
      throw error;
    } finally {
      if (versions.length > 1) this.reached('versions of the past were read');
    }
  }

  /** Whatever becomes of it: while nobody is told, nobody knows. */
  async #note(
    { process }: ValueSeat,
    what: ValueCall['do'],
    newText: string | undefined,
    { guard }: CallOptions,
    work: (call: Noted) => Promise<void>,
  ): Promise<void> {
    const call: Noted = { process: process.name, do: what, outcome: 'unknown', beganAtMs: this.#nowMs() };
    if (newText !== undefined) call.text = newText;
    if (guard !== undefined) call.guard = compareOf(guard);
    this.calls.push(call);
    const told: Noted = { ...call, outcome: 'done' };
    try {
      await work(told);
      Object.assign(call, told, { endedAtMs: this.#nowMs() });
      if (call.outcome === 'done' && guard !== undefined && newText !== undefined) {
        this.reached('a write was made under a guard');
      }
    } catch (error) {
      if (isQuorateError(error)) call.outcome = error.outcome;
      call.endedAtMs = this.#nowMs();
      throw error;
    }
  }

  #newText(): string {
    this.#texts += 1;
    return `t${this.#texts}`;
  }
}

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly guard?: TransactionGuard | undefined;
}

function foundIn(seen: Versioned<string> | undefined): SeenValue | null {
  return seen === undefined ? null : { revision: seen.revision, text: seen.value };
}
