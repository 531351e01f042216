import fc from 'fast-check';
import { type KeyRange, prefixRange } from '../../src/store/index.js';

/** What is watched, and how. */
export interface Scope {
  readonly range: KeyRange;
  readonly without?: readonly ('put' | 'delete')[];
  readonly prevKv?: boolean;
}

export const keys = ['w/a', 'w/b', 'w/c', 'w/d', 'x'] as const;

/** Few, so that many share one; all but the first are of several keys. */
export const scopes: readonly Scope[] = [
  { range: { key: 'w/a' } },
  { range: prefixRange('w/') },
  { range: prefixRange('w/'), without: ['put'] },
  { range: { key: 'w/b', rangeEnd: 'w/d' }, prevKv: true },
  { range: { key: 'w/b', rangeEnd: 'w/d' } },
];

export type Step =
  /** Subscribes to a shared watch, and leaves it after `ms`, if not 0. `within`: out of its first news it subscribes another. */
  | { readonly do: 'subscribe'; readonly scope: number; readonly ms: number; readonly within: boolean }
  /** Subscribes, leaves, and is back after `ms`. */
  | { readonly do: 'return'; readonly scope: number; readonly ms: number }
  /** Opens a watch of its own, so many revisions back, -1: at the compacted one, and closes it after `ms`, if not 0. */
  | {
      readonly do: 'watch';
      readonly scope: number;
      readonly ms: number;
      readonly back: number;
      readonly resume: 'revision' | 'now';
      readonly progress: boolean;
    }
  | { readonly do: 'wait'; readonly ms: number }
  /** Compacts history up to so many revisions back. */
  | { readonly do: 'compact'; readonly back: number }
  /** Members lag behind, its watches break, and it subscribes once more during the cut. */
  | { readonly do: 'shake'; readonly members: number; readonly ms: number }
  /** Closes the hub and makes another. */
  | { readonly do: 'renew' };

export interface WatchWorkload {
  readonly lingerMs: number;
  /** Of each process that watches. */
  readonly scripts: readonly (readonly Step[])[];
  /** How long each process that writes waits between two writes, at most. */
  readonly writers: readonly number[];
}

const plain = { noNullPrototype: true } as const;
const scope = fc.nat({ max: scopes.length - 1 });
const stay = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3_000 }));

function stepOf<S extends Step>(weight: number, parts: { [Name in keyof S]: fc.Arbitrary<S[Name]> }) {
  return { weight, arbitrary: fc.record(parts, plain) as fc.Arbitrary<Step> };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  stepOf<Extract<Step, { do: 'subscribe' }>>(6, {
    do: fc.constant('subscribe'),
    scope,
    ms: stay,
    within: fc.boolean(),
  }),
  stepOf<Extract<Step, { do: 'watch' }>>(3, {
    do: fc.constant('watch'),
    scope,
    ms: stay,
    back: fc.oneof(fc.constant(0), fc.constant(-1), fc.integer({ min: 0, max: 30 })),
    resume: fc.constantFrom('revision', 'now'),
    progress: fc.boolean(),
  }),
  stepOf<Extract<Step, { do: 'return' }>>(2, {
    do: fc.constant('return'),
    scope,
    ms: fc.integer({ min: 1, max: 400 }),
  }),
  stepOf<Extract<Step, { do: 'wait' }>>(4, {
    do: fc.constant('wait'),
    ms: fc.integer({ min: 0, max: 2_000 }),
  }),
  stepOf<Extract<Step, { do: 'compact' }>>(2, {
    do: fc.constant('compact'),
    back: fc.integer({ min: 0, max: 20 }),
  }),
  stepOf<Extract<Step, { do: 'shake' }>>(2, {
    do: fc.constant('shake'),
    members: fc.nat({ max: 3 }),
    ms: fc.integer({ min: 100, max: 2_000 }),
  }),
  stepOf<Extract<Step, { do: 'renew' }>>(1, { do: fc.constant('renew') }),
);

export const watchWorkload: fc.Arbitrary<WatchWorkload> = fc.record(
  {
    lingerMs: fc.constantFrom(300, 0, 2_000),
    scripts: fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 }),
    writers: fc.array(fc.integer({ min: 20, max: 400 }), { minLength: 1, maxLength: 2 }),
  },
  plain,
);
