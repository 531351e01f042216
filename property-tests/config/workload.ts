/** What the processes that read and change a configuration do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly what:
    | 'change-both'
    | 'change-one'
    | 'swap'
    | 'overlay'
    | 'rollback'
    | 'rollout'
    | 'grow'
    | 'promote'
    | 'abort'
    | 'policy'
    | 'propose'
    | 'vote'
    | 'unvote'
    | 'publish'
    | 'reuse'
    | 'break'
    | 'sync';
  readonly document: 'a' | 'b';
  readonly scope: 'p' | 'p/x' | 'q';
  readonly percent: number;
  /** Between what it sees and what it makes of that. */
  readonly thinkMs: number;
  /** After an outcome that is unknown, it asks again under the same id. */
  readonly asksAgain: boolean;
  /** It is struck before its call, or when that is on its way. */
  readonly struckAs: 'calls' | 'waits';
}

export interface ProcessPlan {
  readonly callers: readonly CallerPlan[];
  readonly scope: '' | 'p' | 'p/x' | 'q';
  /** The schema of its reader takes so long. */
  readonly schemaMs: number;
  /** That of its editor: between what it read and what it writes. */
  readonly editorSchemaMs: number;
  readonly proveEveryMs: number;
}

export interface ConfigWorkload {
  readonly weather: Weather;
  readonly processes: readonly ProcessPlan[];
  /** All callers come at once, and again without a pause. */
  readonly inHurry: boolean;
  /** Most callers propose, vote and publish, whatever their plans say. */
  readonly inReview: boolean;
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    what: pickFrom<CallerPlan['what']>([
      ...(['change-both', 'change-both', 'change-one', 'swap', 'overlay', 'rollback', 'sync'] as const),
      ...(['rollout', 'rollout', 'rollout', 'grow', 'promote', 'promote', 'abort', 'policy'] as const),
      ...(['propose', 'propose', 'vote', 'vote', 'vote', 'publish', 'break'] as const),
      ...(['propose', 'vote', 'unvote', 'reuse', 'rollout', 'grow', 'promote'] as const),
    ]),
    document: pickFrom<CallerPlan['document']>(['a', 'b']),
    scope: pickFrom<CallerPlan['scope']>(['p', 'p/x', 'q']),
    percent: pickFrom([0, 10, 40, 70, 100]),
    thinkMs: pickFrom([0, 0, 5, 60, 300]),
    asksAgain: pickFrom([true, false]),
    struckAs: pickFrom<CallerPlan['struckAs']>(['calls', 'waits']),
    rounds: pickFrom([1, 3, 8, 16]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 5, 40, 150, 300]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    callers: fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }),
    scope: pickFrom<ProcessPlan['scope']>(['', 'p', 'p/x', 'q']),
    schemaMs: pickFrom([0, 0, 0, 4, 60, 400]),
    editorSchemaMs: pickFrom([0, 0, 0, 20, 80]),
    proveEveryMs: pickFrom([100, 300, 1_000]),
  },
  plain,
);

export const configWorkload: fc.Arbitrary<ConfigWorkload> = fc.record(
  {
    weather: weathers,
    processes: fc.array(processPlan, { minLength: 2, maxLength: 4, size: 'max' }),
    inHurry: pickFrom([false, false, true]),
    inReview: pickFrom([false, false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);

const reviewing: Partial<Readonly<Record<CallerPlan['what'], CallerPlan['what']>>> = {
  ...{ 'change-both': 'propose', rollout: 'propose', rollback: 'propose', reuse: 'propose' },
  ...{ 'change-one': 'vote', swap: 'vote', overlay: 'vote', break: 'vote', abort: 'vote' },
  ...{ grow: 'unvote', promote: 'unvote', policy: 'publish' },
};

/** The caller as it is where all are reviewing. */
export function reviewed(plan: CallerPlan, { inReview }: Pick<ConfigWorkload, 'inReview'>): CallerPlan {
  return inReview ? { ...plan, what: reviewing[plan.what] ?? plan.what } : plan;
}
