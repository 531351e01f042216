/** What processes ask of their lanes, and what is done to these: plain data. */
import fc from 'fast-check';
import { compare, get, getPrefix, put, remove, type TxnRequest, txnOf } from '../../src/store/index.js';
import { logInteger } from '../support/log-integer.js';
import { pickFrom } from '../support/pick.js';

/** What a process does after a while. */
export interface Step {
  readonly afterMs: number;
  readonly deed:
    | ('create' | 'remove' | 'append' | 'list' | 'leased' | 'read' | 'close')
    /** A create that writes nothing, not even a marker, if the key is there. */
    | 'claim'
    /** A put of a key that only this process writes, and its deletion, which may be repeated. */
    | ('hold' | 'release');
  readonly key: number;
  /** Null: for as long as it takes. */
  readonly patienceMs: number | null;
  /** Called off by its signal then, and not by a timeout. */
  readonly isCalledOff: boolean;
  readonly inOwnLane: boolean;
}

/** What an administrator does after a while, or anybody who has the keys. */
export interface Intervention {
  readonly afterMs: number;
  /** Only when a lane does not know whether its group was applied, if that comes soon. */
  readonly atWorst: boolean;
  readonly what:
    | 'grant lease'
    | 'end lease'
    | 'end lanes'
    /** And compacts history up to that very revision. */
    | 'end lanes and history'
    /** Deletes them, creates them once more, as an opening does that arrives late, and compacts history. */
    | 'replace lanes'
    | 'compact';
  /** Whose lanes. */
  readonly process: number;
}

export interface LanesWorkload {
  /** What all links suffer from throughout, beside the faults of the plan. */
  readonly weather: 'fair' | 'lossy-link' | 'late-link';
  readonly lanes: number;
  readonly laneTtlSeconds: number;
  readonly processes: readonly (readonly Step[])[];
  readonly interventions: readonly Intervention[];
}

/** The lease of some of the keys, which comes and goes. */
export const sometimesLease = '4711';

const plain = { noNullPrototype: true } as const;

const step: fc.Arbitrary<Step> = fc.record(
  {
    afterMs: fc.oneof(
      { weight: 1, arbitrary: fc.constant(0) },
      { weight: 3, arbitrary: logInteger({ min: 1, max: 1_500 }) },
    ),
    deed: pickFrom<Step['deed']>([
      ...(['create', 'create', 'create', 'remove', 'remove', 'append', 'append', 'list'] as const),
      ...(['leased', 'leased', 'read', 'close', 'claim', 'claim', 'claim'] as const),
      ...(['hold', 'hold', 'release', 'release', 'release'] as const),
    ]),
    key: fc.nat({ max: 2 }),
    patienceMs: fc.oneof(fc.constant(null), logInteger({ min: 5, max: 8_000 })),
    isCalledOff: pickFrom([false, false, false, true]),
    inOwnLane: fc.boolean(),
  },
  plain,
);

const intervention: fc.Arbitrary<Intervention> = fc.record(
  {
    afterMs: logInteger({ min: 1, max: 2_000 }),
    atWorst: fc.boolean(),
    what: pickFrom<Intervention['what']>([
      ...(['grant lease', 'grant lease', 'end lease', 'end lanes', 'end lanes'] as const),
      ...(['end lanes and history', 'end lanes and history', 'replace lanes', 'replace lanes'] as const),
      ...(['compact', 'compact'] as const),
    ]),
    process: fc.nat({ max: 2 }),
  },
  plain,
);

export const lanesWorkload: fc.Arbitrary<LanesWorkload> = fc.record(
  {
    weather: pickFrom<LanesWorkload['weather']>(['fair', 'fair', 'lossy-link', 'late-link']),
    lanes: fc.integer({ min: 1, max: 3 }),
    laneTtlSeconds: pickFrom([600, 4, 2]),
    processes: fc.array(fc.array(step, { minLength: 1, maxLength: 30, size: 'max' }), {
      ...({ minLength: 1, maxLength: 3, size: 'max' } as const),
    }),
    interventions: fc.array(intervention, { maxLength: 6, size: 'max' }),
  },
  plain,
);

export function requestOf(
  deed: Exclude<Step['deed'], 'close' | 'hold' | 'release'>,
  key: number,
): TxnRequest {
  const name = `k/${key}`;
  switch (deed) {
    case 'create':
    case 'claim':
      return txnOf({
        compare: [compare.create(name, 'equal', 0)],
        success: [put(name, '')],
        failure: [get(name)],
      });
    case 'remove':
      return txnOf({
        compare: [compare.create(name, 'greater', 0)],
        success: [remove(name, { prevKv: true })],
      });
    case 'append':
      return txnOf({ success: [put(`log/${key}`, '', { prevKv: true })] });
    case 'leased':
      return txnOf({ success: [put(`leased/${key}`, '', { lease: sometimesLease }), get(`leased/${key}`)] });
    default:
      return txnOf({ success: [getPrefix('k/')] });
  }
}
