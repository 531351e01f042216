/** The processes of a run, each with a client, the topic, its callers, its members of groups, and a reader. */
import type { PublishedText } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { type Consumer, Topic } from '../../src/pubsub/index.js';
import { TopicKeys } from '../../src/pubsub/topic/keys.js';
import { sleep } from '../../src/runtime/index.js';
import {
  bytesOf,
  type Codec,
  Keyspace,
  type Store,
  type TxnReply,
  type TxnRequest,
  textOf,
} from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import { Members } from './members.js';
import { Readers } from './readers.js';
import type { Situation } from './situations.js';
import type { CallerPlan, MemberPlan, ProcessPlan, TopicWorkload } from './workload.js';

interface Joined {
  readonly plan: MemberPlan;
  consumer: Consumer<string> | undefined;
}

interface TopicSeat extends Seat {
  readonly topic: Topic<string>;
  readonly members: readonly Joined[];
}

type Noted = { -readonly [Name in keyof PublishedText]: PublishedText[Name] };

const name = 't';
const text: Codec<string> = { encode: bytesOf, decode: textOf };
const retentionCheckMs = 300;
const rejoinMs = 200;
/** A member that left comes again after so long. */
const awayMs = 50;

export class Scene {
  readonly prefix = new Keyspace(namespace).prefix('topic', name);
  readonly published: Noted[] = [];
  readonly members: Members;
  readonly readers: Readers;
  readonly seats: Seats<CallerPlan, TopicSeat>;
  readonly #world: World<TopicWorkload>;
  /** Who is to be struck at what it does with messages. */
  readonly #doomed = new Map<string, CallerPlan>();
  #texts = 0;

  constructor(world: World<TopicWorkload>) {
    this.#world = world;
    const isHurried = () => this.seats.isHealed;
    const reached = (situation: Situation) => this.reached(situation);
    this.members = new Members({
      ...{ isHurried, reached, nowMs: () => world.simulation.nowMs },
      befall: (seat, at) => this.#befall(seat, at),
    });
    this.readers = new Readers({ isHurried, reached });
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      store: ({ store }) => this.#observed(store),
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
    });
  }

  start({ callers }: ProcessPlan): void {
    this.seats.start(callers);
  }

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  #observed(store: Store): Store {
    const head = new TopicKeys(this.prefix).head;
    return storeWith(store, {
      txn: async (request, options) => {
        const reply = await store.txn(request, options);
        if (foundClosed(request, reply, head)) this.reached('a publisher found its segment closed');
        return reply;
      },
    });
  }

  #furnish(seat: Seat): TopicSeat {
    const { partitions, segmentFrames, framesPerPage, maxMessages } = this.#world.workload;
    const retention = maxMessages === 0 ? {} : { maxMessages };
    const topic = new Topic<string>(seat.client, name, {
      ...{ partitions, segmentFrames, framesPerPage, retention, retentionCheckMs, codec: text },
    });
    const plan = this.#world.workload.processes[seat.process.index];
    const members = (plan?.members ?? []).map((member): Joined => ({ plan: member, consumer: undefined }));
    const furnished = { ...seat, topic, members };
    for (const joined of members) void this.#join(furnished, joined);
    if (plan !== undefined) void this.readers.read(seat, topic, plan);
    return furnished;
  }

  async #join(seat: TopicSeat, joined: Joined): Promise<void> {
    for (;;) {
      try {
        joined.consumer = await this.members.join(seat, seat.topic, joined.plan);
        return;
      } catch (error) {
        if (!isQuorateError(error) || error.code === 'internal') throw error;
        await sleep(seat.client.runtime, rejoinMs);
      }
    }
  }

  #befall(seat: Seat, at: 'handles' | 'acknowledges'): void {
    const plan = this.#doomed.get(seat.process.name);
    if (plan?.struckAs !== at) return;
    this.#doomed.delete(seat.process.name);
    this.seats.strike(plan, seat.process);
  }

  async #round(seat: TopicSeat, plan: CallerPlan): Promise<void> {
    const { options, end } = this.seats.waitOf(seat, plan);
    if (plan.struckAs === 'calls') this.seats.strike(plan, seat.process);
    if (plan.struckAs === 'handles' || plan.struckAs === 'acknowledges') {
      this.#doomed.set(seat.process.name, plan);
    }
    try {
      const answered = this.#call(seat, plan, options);
      if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
      await answered;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    } finally {
      end();
    }
  }

  async #call(seat: TopicSeat, plan: CallerPlan, options: CallOptions): Promise<void> {
    switch (plan.what) {
      case 'publish':
        return this.#publish(seat, plan, 1, options);
      case 'publish-many':
        return this.#publish(seat, plan, plan.messages, options);
      case 'look':
        await seat.topic.group('a').lag(options);
        return;
      case 'seek':
        if (this.seats.isHealed) return;
        this.reached('somebody sought while others worked');
        await seat.topic.group('a').seek('start', options);
        return;
      case 'leave':
        for (const joined of seat.members) await this.#leave(seat, joined);
    }
  }

  async #leave(seat: TopicSeat, joined: Joined): Promise<void> {
    const { consumer } = joined;
    if (consumer === undefined || this.seats.isHealed) return;
    joined.consumer = undefined;
    await consumer.close({ graceMs: joined.plan.handoverMs });
    this.reached('a member left and came again');
    await sleep(seat.client.runtime, awayMs);
    await this.#join(seat, joined);
  }

  async #publish(seat: TopicSeat, plan: CallerPlan, count: number, options: CallOptions): Promise<void> {
    const calls = Array.from({ length: count }, () => this.#newCall(seat, plan));
    const [first] = calls;
    const keys = new Map(calls.map(({ text: value, key }) => [value, key]));
    try {
      const values = calls.map(({ text: value }) => value);
      const places =
        count === 1 && first !== undefined
          ? [await seat.topic.publish(first.text, { ...options, key: first.key })]
          : await seat.topic.publishAll(values, { ...options, key: (value) => keys.get(value) });
      for (const [index, call] of calls.entries()) {
        const place = places[index];
        if (place !== undefined) Object.assign(call, { outcome: 'done', place, endedAtMs: this.#nowMs });
      }
    } catch (error) {
      const outcome = isQuorateError(error) ? error.outcome : 'unknown';
      for (const call of calls) Object.assign(call, { outcome, endedAtMs: this.#nowMs });
      if (outcome === 'not-applied') this.reached('a message was never put, as its publisher was told');
      throw error;
    }
  }

  get #nowMs(): number {
    return this.#world.simulation.nowMs;
  }

  #newCall({ process, incarnation }: Seat, { keys }: CallerPlan): Noted {
    this.#texts += 1;
    const call: Noted = {
      ...{ process: process.name, publisher: `${process.name}.${incarnation}`, text: `m${this.#texts}` },
      key: keys === 0 ? undefined : `k${this.#texts % keys}`,
      ...{ outcome: 'unknown', beganAtMs: this.#nowMs },
    };
    this.published.push(call);
    return call;
  }
}

interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Whether what was to be put under a head was refused, as that had moved on. */
function foundClosed(
  request: TxnRequest,
  reply: Pick<TxnReply, 'succeeded' | 'replies'>,
  head: string,
): boolean {
  const expected = request.compare.find(({ key, target }) => key === head && target === 'mod');
  const { succeeded, replies } = reply;
  if (expected !== undefined && !succeeded) {
    const seen = replies.flatMap((one) => (one.type === 'range' ? one.kvs : []));
    return seen.some(({ key, modRevision }) => key === head && modRevision !== expected.operand);
  }
  return (succeeded ? request.success : request.failure).some((op, index) => {
    const inner = replies[index];
    return op.type === 'txn' && inner?.type === 'txn' && foundClosed(op, inner, head);
  });
}
