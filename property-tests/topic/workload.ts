/** What the processes that share a topic do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly what: 'publish' | 'publish-many' | 'seek' | 'leave' | 'look';
  /** It is struck before its call, when that is on its way, or as its member is handed a message, or acknowledges one. */
  readonly struckAs: 'calls' | 'waits' | 'handles' | 'acknowledges';
  /** How many keys it publishes under; 0: none. */
  readonly keys: number;
  readonly messages: number;
}

export interface MemberPlan {
  readonly group: 'a' | 'b';
  readonly concurrency: number;
  readonly prefetch: number;
  readonly ack: 'automatic' | 'manual';
  readonly handleMs: number;
  /** How often a handler fails: of a thousand times. */
  readonly failing: number;
  readonly attempts: number;
  readonly handoverMs: number;
}

export interface ProcessPlan {
  readonly callers: readonly CallerPlan[];
  readonly members: readonly MemberPlan[];
  readonly reads: 'nothing' | 'start' | 'now' | 'revision';
  /** A reader takes so long for each message. */
  readonly readMs: number;
}

export interface TopicWorkload {
  readonly weather: Weather;
  readonly ttlMs: number;
  readonly partitions: number;
  readonly segmentFrames: number;
  readonly framesPerPage?: number;
  /** Messages of a partition that are kept; 0: all. */
  readonly maxMessages: number;
  readonly processes: readonly ProcessPlan[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    what: pickFrom<CallerPlan['what']>([
      ...(['publish', 'publish', 'publish', 'publish-many', 'publish-many'] as const),
      ...(['seek', 'leave', 'leave', 'look'] as const),
    ]),
    struckAs: pickFrom<CallerPlan['struckAs']>(['calls', 'waits', 'handles', 'acknowledges']),
    keys: pickFrom([1, 1, 2, 4, 0]),
    messages: pickFrom([2, 3, 6]),
    rounds: pickFrom([1, 3, 6, 10]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 5, 40, 150, 300]),
    patienceMs: pickFrom([0, 0, 0, 40, 400, 2_000]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'pause', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500, 3_500]),
  },
  plain,
);

const member: fc.Arbitrary<MemberPlan> = fc.record(
  {
    group: pickFrom<MemberPlan['group']>(['a', 'a', 'b']),
    concurrency: pickFrom([1, 1, 3]),
    prefetch: pickFrom([256, 2]),
    ack: pickFrom<MemberPlan['ack']>(['automatic', 'manual']),
    handleMs: pickFrom([0, 0, 5, 40, 300]),
    failing: pickFrom([0, 0, 50, 300]),
    attempts: pickFrom([10, 2]),
    handoverMs: pickFrom([10_000, 20]),
  },
  plain,
);

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    callers: fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }),
    members: fc.array(member, { maxLength: 2, size: 'max' }),
    reads: pickFrom<ProcessPlan['reads']>(['nothing', 'nothing', 'start', 'now', 'revision']),
    readMs: pickFrom([0, 0, 30, 200]),
  },
  plain,
);

export const topicWorkload: fc.Arbitrary<TopicWorkload> = fc.record(
  {
    weather: weathers,
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    partitions: pickFrom([1, 2, 3]),
    segmentFrames: pickFrom([256, 2, 5]),
    framesPerPage: pickFrom([32, 1, 3]),
    maxMessages: pickFrom([0, 0, 3, 10]),
    processes: fc.array(processPlan, { minLength: 2, maxLength: 4, size: 'max' }),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);
