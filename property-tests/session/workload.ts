import fc from 'fast-check';

/** What a process does with sessions. */
export type Step =
  /** Holds the shared one for a while. */
  | { readonly do: 'hold'; readonly ms: number }
  /** Asks for the shared one three times at once; the third caller gives up after `ms`. */
  | { readonly do: 'crowd'; readonly ms: number }
  /** Opens one of its own, holds it and closes it; gives the opening up after `timeoutMs`, if not 0. */
  | { readonly do: 'own'; readonly ms: number; readonly ttlMs: number; readonly timeoutMs: number }
  | { readonly do: 'close' }
  /** Closes the client and opens another. */
  | { readonly do: 'reopen' }
  /** Somebody revokes the lease. */
  | { readonly do: 'revoked'; readonly ms: number }
  /** Somebody deletes the anchor; then it makes a guarded write. */
  | { readonly do: 'unanchored'; readonly ms: number }
  | { readonly do: 'write' }
  /** Stands still right after it has sent its next keep-alive; if `mute`, all later ones are lost. */
  | { readonly do: 'freeze'; readonly ms: number; readonly mute: boolean }
  /**
   * After its next keep-alive its machine sleeps for a moment and its wall clock is set, `stepMs` before or after that; all
   * later keep-alives are lost.
   */
  | { readonly do: 'doze'; readonly ms: number; readonly stepMs: number }
  /** Computes for so long, looking at its session now and then: the event loop is blocked. */
  | { readonly do: 'block'; readonly ms: number }
  /** The thread that renews its leases, if there is one, ends. */
  | { readonly do: 'unthread' };

export interface SessionWorkload {
  readonly ttlMs: number;
  readonly abortMs: number;
  /** The store grants so much more than it is asked for, but at least 2 s. */
  readonly extraSeconds: number;
  /** Leases are renewed by a thread, for so long while the event loop is blocked; 0: by the event loop. */
  readonly longestStallMs: number;
  /** Of each process. */
  readonly scripts: readonly (readonly Step[])[];
}

const plain = { noNullPrototype: true } as const;
const ms = fc.integer({ min: 0, max: 4_000 });

function stepOf<S extends Step>(weight: number, parts: { [Name in keyof S]: fc.Arbitrary<S[Name]> }) {
  return { weight, arbitrary: fc.record(parts, plain) as fc.Arbitrary<Step> };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  stepOf<Extract<Step, { do: 'hold' }>>(5, { do: fc.constant('hold'), ms }),
  stepOf<Extract<Step, { do: 'crowd' }>>(3, {
    do: fc.constant('crowd'),
    ms: fc.integer({ min: 1, max: 300 }),
  }),
  stepOf<Extract<Step, { do: 'own' }>>(3, {
    do: fc.constant('own'),
    ms,
    ttlMs: fc.constantFrom(3_000, 2_000, 4_000),
    timeoutMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 500 })),
  }),
  stepOf<Extract<Step, { do: 'close' }>>(1, { do: fc.constant('close') }),
  stepOf<Extract<Step, { do: 'reopen' }>>(1, { do: fc.constant('reopen') }),
  stepOf<Extract<Step, { do: 'revoked' }>>(1, { do: fc.constant('revoked'), ms }),
  stepOf<Extract<Step, { do: 'unanchored' }>>(1, { do: fc.constant('unanchored'), ms }),
  stepOf<Extract<Step, { do: 'write' }>>(1, { do: fc.constant('write') }),
  stepOf<Extract<Step, { do: 'freeze' }>>(2, {
    do: fc.constant('freeze'),
    ms: fc.integer({ min: 500, max: 6_000 }),
    mute: fc.boolean(),
  }),
  stepOf<Extract<Step, { do: 'doze' }>>(2, {
    do: fc.constant('doze'),
    ms: fc.integer({ min: 10, max: 400 }),
    stepMs: fc.integer({ min: -600, max: 600 }),
  }),
  stepOf<Extract<Step, { do: 'block' }>>(3, {
    do: fc.constant('block'),
    ms: fc.integer({ min: 500, max: 9_000 }),
  }),
  stepOf<Extract<Step, { do: 'unthread' }>>(1, { do: fc.constant('unthread') }),
);

export const sessionWorkload: fc.Arbitrary<SessionWorkload> = fc.record(
  {
    ttlMs: fc.constantFrom(3_000, 2_000, 4_000),
    abortMs: fc.constantFrom(100, 0, 300),
    extraSeconds: fc.constantFrom(0, 0, 0, -1, 1),
    longestStallMs: fc.constantFrom(0, 3_000, 60_000),
    scripts: fc.array(fc.array(step, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
  },
  plain,
);
