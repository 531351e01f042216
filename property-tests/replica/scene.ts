/** The processes of a run, each with a client, its replica of the map, and those who write to it and look at it. */
import type { MapCall } from '../../src/checkers/index.js';
import { broken } from '../../src/checkers/sentences.js';
import { type MapDraft, ReplicatedMap } from '../../src/config/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import {
  bytesOf,
  type Codec,
  type Key,
  Keyspace,
  type Store,
  textOf,
  type Watch,
} from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import { paced, type Seat, Seats } from '../support/seats.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import { isReadable } from './foreign.js';
import { Observing, type TestMap } from './observing.js';
import type { Situation } from './situations.js';
import {
  type CallerPlan,
  fewBytes,
  maxEntries,
  type ProcessPlan,
  type ReplicaWorkload,
  tooLarge,
} from './workload.js';

interface MapSeat extends Seat {
  readonly map: Promise<TestMap>;
}

/** A call as it is noted while it goes on. */
type Noted = { -readonly [Name in keyof MapCall]: MapCall[Name] };

const name = 'm';
const reopenMs = 100;
const openWithinMs = 3_000;

const codec: Codec<string> = {
  encode: bytesOf,
  decode: (bytes) => {
    const text = textOf(bytes);
    if (!isReadable(text)) throw new Error(`${text} cannot be read`);
    return text;
  },
};

export class Scene {
  readonly prefix: Key = new Keyspace(namespace).prefix('map', name);
  readonly entries: Key = `${this.prefix}e/`;
  readonly stamp: Key = `${this.prefix}s`;
  readonly calls: Noted[] = [];
  readonly observing: Observing;
  readonly seats: Seats<CallerPlan, MapSeat>;
  readonly #world: World<ReplicaWorkload>;
  #texts = 0;

  constructor(world: World<ReplicaWorkload>) {
    this.#world = world;
    this.observing = new Observing({
      ...{ simulation: world.simulation, entries: this.entries },
      isHurried: () => this.seats.isHealed,
      reached: (situation) => this.reached(situation),
    });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }) => this.#watchful(store),
      furnish: (seat) => ({ ...seat, map: this.#open(seat) }),
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

  /** Tells of loads in pages. */
  #watchful(store: Store): Store {
    return storeWith(store, {
      range: async (request, options) => {
        const isPage = request.revision !== undefined && request.rangeEnd !== undefined;
        try {
          const reply = await store.range(request, options);
          if (isPage) this.reached('a replica was loaded in several pages');
          return reply;
        } catch (error) {
          if (isPage && isQuorateError(error, 'compacted')) {
            this.reached('the revision of a load was compacted before its last page');
          }
          throw error;
        }
      },
      watch: (request): Watch => store.watch(request),
    });
  }

  async #open(seat: Seat): Promise<TestMap> {
    const { stampedBy, proveEveryMs, processes } = this.#world.workload;
    const maxBytes = this.#isScarce ? fewBytes : undefined;
    for (;;) {
      try {
        const map = await ReplicatedMap.open<string, string>(seat.client, name, {
          ...{ codec, stampedBy, proveEveryMs, maxEntries, maxBytes, timeoutMs: openWithinMs },
        });
        const plan = processes[seat.process.index];
        if (plan !== undefined) this.observing.start(seat, map, plan);
        return map;
      } catch (error) {
        if (!isQuorateError(error) || error.code === 'internal') throw error;
        await sleep(seat.client.runtime, reopenMs);
      }
    }
  }

  async #round(seat: MapSeat, plan: CallerPlan): Promise<void> {
    const map = await seat.map;
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    try {
      if (plan.struckAs === 'calls') this.seats.strike(plan, seat.process);
      const answered = this.#call(seat, map, plan, options);
      if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
      await answered;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      const hasGivenUp = isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted');
      if (!isPatient && hasGivenUp) this.reached('a call was given up');
    } finally {
      end();
    }
  }

  async #call(seat: MapSeat, map: TestMap, plan: CallerPlan, options: CallOptions): Promise<void> {
    const key = `${['v', 'w', 'p0a'][plan.entry]}`;
    switch (plan.what) {
      case 'sync':
      case 'get-fresh': {
        const calledAtMs = this.#nowMs();
        if (plan.what === 'sync') await map.sync(options);
        else await map.getFresh(key, options);
        this.observing.synced(map, calledAtMs, map.revision);
        return;
      }
      case 'set':
        return this.#note(seat, 'set', [{ name: key, text: this.#newText() }], async (call) => {
          this.#written(call, map, await map.set(key, call.writes[0]?.text ?? '', options));
        });
      case 'set-too-large':
        return this.#setTooLarge(seat, map, key, options);
      case 'delete':
        return this.#note(seat, 'delete', [{ name: key, text: null }], async (call) => {
          const { deleted, ...written } = await map.delete(key, options);
          if (deleted) this.reached('an entry was deleted');
          if (deleted) this.#written(call, map, written);
          else {
            call.outcome = 'refused';
            call.reads = [{ name: key, revision: 0 }];
          }
        });
      case 'update-pair':
      case 'update-nothing':
        return this.#update(seat, map, plan, options);
      default:
        return this.#swap(seat, map, key, plan, options);
    }
  }

  /** Whatever there is, there is no room for it. Where there is, it is as any other. */
  async #setTooLarge(seat: MapSeat, map: TestMap, key: string, options: CallOptions): Promise<void> {
    const text = this.#isScarce ? this.#newText() + tooLarge : this.#newText();
    await this.#note(seat, 'set', [{ name: key, text }], async (call) => {
      try {
        this.#written(call, map, await map.set(key, text, options));
      } catch (error) {
        if (isQuorateError(error, 'over-limit')) this.reached('a write was refused for want of room');
        throw error;
      }
      if (this.#isScarce) broken('REPLICA-7', `${seat.process.name} wrote more than there is room for`);
    });
  }

  get #isScarce(): boolean {
    return this.#world.workload.fewBytes === true;
  }

  async #swap(
    seat: MapSeat,
    map: TestMap,
    key: string,
    { what, thinkMs }: CallerPlan,
    options: CallOptions,
  ): Promise<void> {
    const seen = map.entry(key);
    if (thinkMs > 0) await sleep(seat.client.runtime, thinkMs);
    const deletes = what === 'delete-seen';
    const text = deletes ? null : this.#newText();
    const kind = deletes ? 'compare-and-delete' : 'compare-and-set';
    await this.#note(seat, kind, [{ name: key, text }], async (call) => {
      const swapped =
        text === null
          ? await map.compareAndDelete(key, seen, options)
          : await map.compareAndSet(key, seen, text, options);
      if (swapped.succeeded) {
        call.reads = [{ name: key, revision: seen?.revision ?? 0 }];
        this.#written(call, map, swapped);
      } else {
        call.outcome = 'refused';
        call.reads = [{ name: key, revision: swapped.found?.revision ?? 0 }];
        this.reached('a comparison was refused');
      }
    });
  }

  #update(seat: MapSeat, map: TestMap, { what, entry, thinkMs }: CallerPlan, options: CallOptions) {
    const [one, other] = [`p${entry}a`, `p${entry}b`];
    const text = this.#newText();
    const writes =
      what === 'update-nothing'
        ? []
        : [
            { name: one, text: `${text}a` },
            { name: other, text: `${text}b` },
          ];
    return this.#note(seat, 'update', writes, async (call) => {
      let runs = 0;
      const change = async (draft: MapDraft<string, string>) => {
        runs += 1;
        call.reads = [one, other].map((key) => {
          draft.get(key);
          return { name: key, revision: map.entry(key)?.revision ?? 0 };
        });
        if (thinkMs > 0) await sleep(seat.client.runtime, thinkMs);
        for (const { name: key, text: value } of writes) draft.set(key, value);
      };
      const written = await map.update(change, options);
      if (writes.length === 0) this.reached('an update was decided without a write');
      else if (runs > 1) this.reached('an update was refused, and made anew');
      this.#written(call, map, written);
    });
  }

  #written(call: Noted, map: TestMap, { revision, shown }: { revision: number; shown: boolean }): void {
    call.revision = revision;
    if (shown) call.shownAt = map.revision;
    else this.reached('a write was applied, and did not show in time');
  }

  /** Whatever becomes of it: while nobody is told, nobody knows. */
  async #note(
    { process }: MapSeat,
    what: MapCall['do'],
    writes: MapCall['writes'],
    work: (call: Noted) => Promise<void>,
  ): Promise<void> {
    const begun = { process: process.name, do: what, writes, reads: [], beganAtMs: this.#nowMs() };
    const call: Noted = { ...begun, outcome: 'unknown' };
    this.calls.push(call);
    const told: Noted = { ...begun, outcome: 'done' };
    try {
      await work(told);
      Object.assign(call, told, { endedAtMs: this.#nowMs() });
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
}
