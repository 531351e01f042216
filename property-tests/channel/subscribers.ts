/** Those who subscribe, and what they were told. */

import { logOf } from '../../src/checkers/channel-log.js';
import type { ChannelSubscriber, ToldItem } from '../../src/checkers/index.js';
import { History } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import type {
  Channel,
  ChannelItem,
  ChannelPattern,
  ChannelPosition,
  ChannelSubscription,
} from '../../src/pubsub/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess, Simulation } from '../../src/simulator/index.js';
import type { Keyspace } from '../../src/store/index.js';
import type { Seat } from '../support/seats.js';
import type { Situation } from './situations.js';
import { channels, type SubscriberPlan } from './workload.js';

/** What one subscription of one life of a process was told. */
interface Told {
  readonly process: SimulatedProcess;
  readonly incarnation: number;
  readonly plan: SubscriberPlan;
  readonly to: ChannelSubscriber['to'];
  readonly after: ChannelPosition;
  readonly joinedAtMs: number | undefined;
  readonly items: ToldItem[];
  /** How far it got. */
  position: ChannelPosition;
  hasEnded: boolean;
}

/** The channels of one process. */
export interface Hall {
  readonly seat: Seat;
  readonly channels: readonly Channel<string>[];
  readonly patternOf: (prefix: string) => ChannelPattern<string>;
}

export interface SubscribersOptions {
  readonly keys: Keyspace;
  readonly simulation: Simulation;
  /** Nobody takes time to read any more, nor leaves. */
  readonly isHurried: () => boolean;
  readonly reached: (situation: Situation) => void;
}

/** How long it takes until it is tried again to subscribe. */
const againMs = 50;

export class Subscribers {
  readonly told: Told[] = [];
  readonly #options: SubscribersOptions;

  constructor(options: SubscribersOptions) {
    this.#options = options;
  }

  start(hall: Hall, plans: readonly SubscriberPlan[]): void {
    for (const plan of plans) void this.#subscribeForEver(hall, plan);
  }

  isStanding({ process, incarnation, hasEnded }: Told): boolean {
    return process.isCore && process.status !== 'crashed' && process.incarnation === incarnation && !hasEnded;
  }

  /** One that has not been told the last, though nothing hinders it; or that does not subscribe. */
  behind(): string | undefined {
    const log = logOf(new History(this.#options.simulation.history), this.#options.keys);
    for (const told of this.told) {
      if (!this.isStanding(told)) continue;
      const { to, position, process } = told;
      const last = log.findLast(({ channel }) =>
        'prefix' in to ? channel.startsWith(to.prefix) : channel === to.channel,
      );
      if (last === undefined || last.revision < position.revision) continue;
      const { revision, index = Number.POSITIVE_INFINITY } = position;
      const isThere = last.revision === revision && last.index <= index;
      const isThatChannel = position.channel === undefined || position.channel === last.channel;
      if (!isThere || !isThatChannel) return `a subscriber of ${process.name} was not told the last`;
    }
    return undefined;
  }

  async #subscribeForEver(hall: Hall, plan: SubscriberPlan): Promise<void> {
    const { runtime } = hall.seat.client;
    const before = this.told.findLast((told) => told.plan === plan);
    let after: ChannelPosition | undefined = before?.position;
    if (before !== undefined)
      this.#options.reached('a subscriber went on from where it had been before a crash');
    else if (plan.from === 'beginning') after = { revision: 0 };
    await sleep(runtime, plan.startMs);
    for (;;) {
      const told = await this.#subscribe(hall, plan, after);
      after = told?.position ?? after;
      await sleep(runtime, told === undefined ? againMs : 0);
    }
  }

  /** One subscription, to its end. Undefined if it did not come about. */
  async #subscribe(
    hall: Hall,
    plan: SubscriberPlan,
    after: ChannelPosition | undefined,
  ): Promise<Told | undefined> {
    const { process, incarnation, client } = hall.seat;
    const { to: which, form, whenFull, bufferSize } = plan;
    const to = 'prefix' in which ? which : { channel: channels[which.channel] ?? '' };
    let told: Told | undefined;
    const early: ChannelItem<string>[] = [];
    const leave = new AbortController();
    const note = (item: ChannelItem<string>) => {
      if (told === undefined) {
        early.push(item);
        return;
      }
      told.items.push(seenIn(item));
      told.position = item;
      this.#count(item);
      const isLast = plan.leavesAfter > 0 && told.items.length >= plan.leavesAfter;
      if (isLast && !this.#options.isHurried()) leave.abort();
    };
    const dawdle = async () => {
      if (plan.readMs > 0 && !this.#options.isHurried()) await sleep(client.runtime, plan.readMs);
    };
    const listener = (item: ChannelItem<string>) => {
      if (leave.signal.aborted) throw new Error('told more after it had left');
      note(item);
      return plan.readMs > 0 ? dawdle() : undefined;
    };
    const source = 'prefix' in which ? hall.patternOf(which.prefix) : hall.channels[which.channel];
    if (source === undefined) return undefined;
    let subscription: ChannelSubscription<string>;
    try {
      subscription = await source.subscribe({
        ...{ after, whenFull, bufferSize, signal: leave.signal },
        ...(form === 'listens' ? { onItem: listener } : {}),
      });
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal' || error.code === 'future-revision')
        throw error;
      return undefined;
    }
    const joinedAtMs = after === undefined ? this.#options.simulation.nowMs : undefined;
    const { start } = subscription;
    told = {
      ...{ process, incarnation, plan, to, after: start, joinedAtMs, items: [], position: start },
      hasEnded: false,
    };
    this.told.push(told);
    if ((start.index ?? 0) > 0) this.#options.reached('a subscriber went on within a frame');
    for (const item of early) note(item);
    if (form === 'listens') await this.#whileItLasts(subscription);
    else await this.#iterate(subscription, note, dawdle);
    told.hasEnded = true;
    return told;
  }

  async #whileItLasts({ ended }: ChannelSubscription<string>): Promise<void> {
    this.#judge(await ended);
  }

  async #iterate(
    subscription: ChannelSubscription<string>,
    note: (item: ChannelItem<string>) => void,
    dawdle: () => Promise<void>,
  ): Promise<void> {
    try {
      for await (const item of subscription) {
        note(item);
        await dawdle();
      }
    } catch (error) {
      this.#judge(error);
    }
  }

  #judge(error: unknown): void {
    if (error === undefined) return;
    if (!isQuorateError(error, 'over-limit')) throw error;
    this.#options.reached('a subscriber failed, since it was too slow');
  }

  #count(item: ChannelItem<string>): void {
    const { reached } = this.#options;
    if (item.type === 'unreadable') reached('a message could not be read');
    if (item.type !== 'gap') return;
    reached(item.reason === 'dropped' ? 'messages were dropped, and told as a gap' : 'a gap was told');
  }
}

function seenIn(item: ChannelItem<string>): ToldItem {
  switch (item.type) {
    case 'message': {
      const { type, channel, revision, index, payload } = item;
      return { type, channel, revision, index, text: payload };
    }
    case 'unreadable': {
      const { type, channel, revision, index } = item;
      return { type, channel, revision, index };
    }
    case 'gap': {
      const { type, reason, fromRevision, toRevision, messages, index, channel } = item;
      return {
        ...{ type, reason, fromRevision, toRevision },
        ...(messages === undefined ? {} : { messages }),
        ...(index === undefined ? {} : { index }),
        ...(channel === undefined ? {} : { channel }),
      };
    }
  }
}
