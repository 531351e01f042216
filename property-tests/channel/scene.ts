/** The processes of a run, each with a client, its channels, its callers and its subscribers. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { PublishCall } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type { TransactionGuard } from '../../src/guard/index.js';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { Channel, ChannelPattern, type ChannelPlace } from '../../src/pubsub/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { Session } from '../../src/session/index.js';
import {
  bytesOf,
  type Codec,
  Keyspace,
  put,
  type Store,
  textOf,
  type Watch,
  type WatchItem,
} from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import { paced, type Seat, Seats } from '../support/seats.js';
import { storeWith } from '../support/store-with.js';
import { comeOut, comeUnder, compareOf, guardOf } from '../support/under.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import { Subscribers } from './subscribers.js';
import { type CallerPlan, type ChannelWorkload, channels, type ProcessPlan } from './workload.js';

interface ChannelSeat extends Seat {
  readonly channels: readonly Channel<string>[];
  readonly mutex: Mutex;
}

/** A call as it is noted while it goes on. */
type Noted = { -readonly [Name in keyof PublishCall]: PublishCall[Name] };

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly guard?: TransactionGuard | undefined;
}

const text: Codec<string> = {
  encode: bytesOf,
  decode: (bytes) => {
    const decoded = textOf(bytes);
    if (isSpoiled(decoded)) throw new RangeError('not that');
    return decoded;
  },
};

export function isSpoiled(message: string): boolean {
  return message.startsWith('bad');
}

export class Scene {
  readonly keys = new Keyspace(namespace);
  readonly calls: Noted[] = [];
  readonly subscribers: Subscribers;
  readonly seats: Seats<CallerPlan, ChannelSeat>;
  readonly #world: World<ChannelWorkload>;
  #texts = 0;

  constructor(world: World<ChannelWorkload>) {
    this.#world = world;
    this.subscribers = new Subscribers({
      keys: this.keys,
      simulation: world.simulation,
      isHurried: () => this.seats.isHealed,
      reached: (situation) => this.reached(situation),
    });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }) => this.#observed(store),
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

  /** A store that tells what its watches of channels met. */
  #observed(store: Store): Store {
    return storeWith(store, {
      watch: (request) => {
        const watch = store.watch(request);
        if (!request.key.startsWith(this.keys.typePrefix('channel'))) return watch;
        if (request.fromRevision !== undefined) this.reached('a subscriber read history');
        return noted(watch, (item) => {
          if (item.type === 'interrupted') this.reached('the watch of a subscriber was cut');
          if (item.type === 'compacted')
            this.reached('history was compacted before a watch had delivered it');
        });
      },
      range: async (request, options) => {
        const reply = await store.range(request, options);
        const isRescue =
          request.minModRevision !== undefined && reply.kvs.some(({ version }) => version === 1);
        if (isRescue) this.reached('what compaction had left was all that was missing');
        return reply;
      },
    });
  }

  #furnish(seat: Seat): ChannelSeat {
    const plan = this.#world.workload.processes[seat.process.index];
    const { client } = seat;
    const schemaMs = plan?.schemaMs ?? 0;
    const schema = schemaMs === 0 ? undefined : slowSchema(() => sleep(client.runtime, schemaMs));
    const own = channels.map((name) => new Channel<string>(client, name, { codec: text, schema }));
    const patterns = new Map<string, ChannelPattern<string>>();
    const patternOf = (prefix: string) => {
      const pattern =
        patterns.get(prefix) ?? new ChannelPattern<string>(client, prefix, { codec: text, schema });
      patterns.set(prefix, pattern);
      return pattern;
    };
    this.subscribers.start({ seat, channels: own, patternOf }, plan?.subscribers ?? []);
    return { ...seat, channels: own, mutex: new Mutex(client, 'm') };
  }

  async #round(seat: ChannelSeat, plan: CallerPlan): Promise<void> {
    const { isPatient, options, end } = this.seats.waitOf(seat, plan);
    let had: Session | Hold | undefined;
    try {
      let guard: TransactionGuard | undefined;
      if (plan.guard !== 'none') {
        const under = plan.guard === 'every-other' ? 'compare' : plan.guard;
        had = await comeUnder(under, seat.client, seat.mutex);
        guard = guardOf(under, had);
      }
      if (plan.struckAs === 'calls') this.seats.strike(plan, seat.process);
      const calls = this.#publish(seat, plan, { ...options, guard });
      if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
      const settled = await Promise.allSettled(calls);
      for (const result of settled) if (result.status === 'rejected') throw result.reason;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      const hasGivenUp = isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted');
      if (!isPatient && hasGivenUp) this.reached('a call was given up');
      if (plan.guard !== 'none' && isQuorateError(error, 'fenced')) {
        this.reached('a message was refused, since its guard had ended');
      }
    } finally {
      end();
      await comeOut(had);
    }
  }

  #publish(seat: ChannelSeat, plan: CallerPlan, options: CallOptions): readonly Promise<void>[] {
    const { what, atOnce, spoilsOne } = plan;
    const channel = seat.channels[plan.channel];
    if (channel === undefined) return [];
    if (what === 'foreign') {
      const request = { compare: [], success: [put(channel.key, 'what is no frame')], failure: [] };
      const { signal, timeoutMs } = options;
      return [seat.client.store.txn(request, { signal, timeoutMs }).then(() => {})];
    }
    const texts = Array.from({ length: atOnce }, (_none, nth) =>
      this.#newText(spoilsOne && nth === atOnce - 1),
    );
    if (what === 'publish-all') {
      return [
        this.#note(seat, channel, texts, options, async () => (await channel.publishAll(texts, options))[0]),
      ];
    }
    return texts.map((each, nth) => {
      const isFree = plan.guard === 'every-other' && nth % 2 === 0;
      const own = isFree ? { ...options, guard: undefined } : options;
      return this.#note(seat, channel, [each], own, () => channel.publish(each, own));
    });
  }

  /** Whatever becomes of it: while nobody is told, nobody knows. */
  async #note(
    { process, incarnation }: ChannelSeat,
    { name }: Channel<string>,
    texts: readonly string[],
    { guard }: CallOptions,
    work: () => Promise<ChannelPlace | undefined>,
  ): Promise<void> {
    const call: Noted = {
      ...{ process: process.name, publisher: `${process.name}.${incarnation} ${name}`, channel: name, texts },
      ...{ outcome: 'unknown', beganAtMs: this.#nowMs() },
    };
    if (guard !== undefined) call.guard = compareOf(guard);
    this.calls.push(call);
    try {
      const place = await work();
      Object.assign(call, { outcome: 'done', endedAtMs: this.#nowMs(), place });
      if (guard !== undefined) this.reached('a message was published under a guard');
    } catch (error) {
      if (isQuorateError(error)) call.outcome = error.outcome;
      call.endedAtMs = this.#nowMs();
      throw error;
    }
  }

  #newText(isBad: boolean): string {
    this.#texts += 1;
    return `${isBad ? 'bad' : 't'}${this.#texts}`;
  }
}

function slowSchema(pause: () => Promise<void>): StandardSchemaV1<unknown, string> {
  const validate = async (value: unknown) => {
    await pause();
    return { value: value as string };
  };
  return { '~standard': { version: 1, vendor: 'property', validate } };
}

function noted(watch: Watch, note: (item: WatchItem) => void): Watch {
  async function* items(): AsyncGenerator<WatchItem> {
    for await (const item of watch) {
      note(item);
      yield item;
    }
  }
  return { [Symbol.asyncIterator]: items, close: () => watch.close() };
}
