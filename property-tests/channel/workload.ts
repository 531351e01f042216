/** What the processes that publish and subscribe do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { callerPace } from '../support/pace.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export const channels = ['a/1', 'a/2', 'b'] as const;

export interface CallerPlan extends CallerPace, Patience {
  /** `foreign`: something puts into the key what is no frame. */
  readonly what: 'publish' | 'publish-all' | 'foreign';
  /** Which of the channels. */
  readonly channel: number;
  /** Calls at a time, or messages of one. */
  readonly atOnce: number;
  /** One of the messages is such that subscribers cannot read it. */
  readonly spoilsOne: boolean;
  /** Under what it publishes; with `every-other` each second of its calls, by a compare that it had made before. */
  readonly guard: 'none' | 'session' | 'hold' | 'every-other';
  /** It is struck before its calls, or when they are on their way. */
  readonly struckAs: 'calls' | 'waits';
}

export interface SubscriberPlan {
  readonly to: { readonly channel: number } | { readonly prefix: string };
  readonly startMs: number;
  readonly form: 'iterates' | 'listens';
  readonly whenFull: 'wait' | 'drop-oldest' | 'fail';
  readonly bufferSize: number;
  /** It takes so long for each item; 0: it asks for the next at once. */
  readonly readMs: number;
  /** It leaves after so many items, and goes on from its position; 0: never. */
  readonly leavesAfter: number;
  /** Where it begins: with what comes, or as far back as history reaches. */
  readonly from: 'now' | 'beginning';
}

export interface ProcessPlan {
  readonly callers: readonly CallerPlan[];
  readonly subscribers: readonly SubscriberPlan[];
  /** Its schema answers after so long; 0: at once. */
  readonly schemaMs: number;
}

export interface ChannelWorkload {
  readonly weather: Weather;
  readonly ttlMs: number;
  readonly processes: readonly ProcessPlan[];
  /** All callers come at once, and again without a pause. */
  readonly inHurry: boolean;
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    what: pickFrom<CallerPlan['what']>(['publish', 'publish', 'publish', 'publish-all', 'foreign']),
    channel: pickFrom([0, 0, 0, 1, 2]),
    atOnce: pickFrom([1, 1, 3, 8]),
    spoilsOne: pickFrom([false, false, false, true]),
    guard: pickFrom<CallerPlan['guard']>(['none', 'none', 'none', 'session', 'hold', 'every-other']),
    struckAs: pickFrom<CallerPlan['struckAs']>(['calls', 'waits']),
    ...callerPace,
  },
  plain,
);

const subscriber: fc.Arbitrary<SubscriberPlan> = fc.record(
  {
    to: pickFrom<SubscriberPlan['to']>([
      ...[{ channel: 0 }, { channel: 0 }, { channel: 1 }],
      ...[{ prefix: 'a/' }, { prefix: '' }],
    ]),
    startMs: pickFrom([0, 0, 100, 800, 2_500]),
    form: pickFrom<SubscriberPlan['form']>(['iterates', 'listens']),
    whenFull: pickFrom<SubscriberPlan['whenFull']>(['wait', 'wait', 'wait', 'drop-oldest', 'fail']),
    bufferSize: pickFrom([1, 2, 5, 100]),
    readMs: pickFrom([0, 0, 0, 10, 60, 400]),
    leavesAfter: pickFrom([0, 0, 1, 3, 10]),
    from: pickFrom<SubscriberPlan['from']>(['now', 'now', 'beginning']),
  },
  plain,
);

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    callers: fc.array(caller, { minLength: 1, maxLength: 3, size: 'max' }),
    subscribers: fc.array(subscriber, { minLength: 1, maxLength: 4, size: 'max' }),
    schemaMs: pickFrom([0, 0, 0, 20]),
  },
  plain,
);

export const channelWorkload: fc.Arbitrary<ChannelWorkload> = fc.record(
  {
    weather: weathers,
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    processes: fc.array(processPlan, { minLength: 2, maxLength: 3, size: 'max' }),
    inHurry: pickFrom([false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 100, 400]),
  },
  plain,
);
