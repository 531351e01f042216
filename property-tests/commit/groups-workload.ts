/** What many callers ask for at once: plain data. */
import fc from 'fast-check';
import { mayWrite } from '../../src/commit/footprint.js';
import { compare, type Op, put, remove, type TxnRequest, txnOf } from '../../src/store/index.js';
import { logInteger } from '../support/log-integer.js';
import { pickFrom } from '../support/pick.js';
import type { Asking } from './commit-process.js';
import { type PlainTxn, plainOf, requestOf } from './plain-txn.js';
import { randomRequest } from './random-txn.js';

export interface Ask {
  /** `any`: the transaction as it is. `read`: what it reads, and no more. `leased`: a put on a lease instead. */
  readonly what: 'any' | 'read' | 'leased' | 'leased and guarded';
  readonly txn: PlainTxn;
  readonly lease: number;
  /** Null: for as long as it takes. */
  readonly patienceMs: number | null;
  readonly inOwnLane: boolean;
  /** Writes nothing, not even a marker, where its compares do not hold, if the transaction allows that. */
  readonly isOneSided: boolean;
}

/** Calls of the same moment. */
export interface Burst {
  readonly afterMs: number;
  readonly asks: readonly Ask[];
  /** So many guarded creates besides. */
  readonly crowd: number;
}

export interface GroupsWorkload {
  readonly weather: 'fair' | 'lossy-link';
  readonly lanes: number;
  readonly processes: readonly (readonly Burst[])[];
  /** When the leases end. */
  readonly leaseEndsMs: readonly number[];
}

const plain = { noNullPrototype: true } as const;
const leases = ['71', '72'] as const;

const ask: fc.Arbitrary<Ask> = fc.record(
  {
    what: pickFrom<Ask['what']>([
      ...(['any', 'any', 'any', 'any', 'any', 'any', 'any', 'read'] as const),
      ...(['leased', 'leased and guarded', 'leased and guarded'] as const),
    ]),
    txn: randomRequest.map(plainOf),
    lease: fc.nat({ max: leases.length - 1 }),
    patienceMs: fc.oneof(
      { weight: 4, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: logInteger({ min: 5, max: 5_000 }) },
    ),
    inOwnLane: pickFrom([false, false, true]),
    isOneSided: fc.boolean(),
  },
  plain,
);

const burst: fc.Arbitrary<Burst> = fc.record(
  {
    afterMs: logInteger({ min: 1, max: 1_000 }),
    asks: fc.array(ask, { maxLength: 10, size: 'max' }),
    crowd: fc.oneof(
      { weight: 40, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 100, max: 140 }) },
    ),
  },
  plain,
);

export const groupsWorkload: fc.Arbitrary<GroupsWorkload> = fc.record(
  {
    weather: pickFrom<GroupsWorkload['weather']>(['fair', 'fair', 'fair', 'lossy-link']),
    lanes: fc.integer({ min: 1, max: 3 }),
    processes: fc.array(fc.array(burst, { minLength: 1, maxLength: 5, size: 'max' }), {
      ...({ minLength: 1, maxLength: 2, size: 'max' } as const),
    }),
    leaseEndsMs: fc.array(logInteger({ min: 50, max: 5_000 }), {
      ...({ minLength: 0, maxLength: leases.length } as const),
    }),
  },
  plain,
);

export const leaseIds: readonly string[] = leases;

/** The key that is there as long as its lease is. */
export function anchorOf(lease: string): string {
  return `anchor/${lease}`;
}

export function askingOf({ what, txn, lease: at, patienceMs, inOwnLane, isOneSided }: Ask): Asking {
  const lease = leases[at] ?? leases[0];
  const isRead = what === 'read';
  const timeoutMs = patienceMs ?? (isRead && !inOwnLane ? 5_000 : Number.POSITIVE_INFINITY);
  const asking = { timeoutMs, inOwnLane, isRead, isGuardedByAnchor: what === 'leased and guarded' };
  switch (what) {
    case 'any': {
      const request = requestOf(txn);
      return { ...asking, request, isOneSided: isOneSided && !mayWrite(request.failure) };
    }
    case 'read':
      return { ...asking, request: readsOf(requestOf(txn)) };
    case 'leased':
      return { ...asking, request: txnOf({ success: [put(`m${lease}`, '1', { lease })] }) };
    case 'leased and guarded':
      return {
        ...asking,
        request: txnOf({
          compare: [compare.create(anchorOf(lease), 'greater', 0)],
          success: [put(`m${lease}`, '1', { lease })],
          failure: [remove(`m${lease}`)],
        }),
      };
  }
}

export function crowdOf({ crowd }: Burst): readonly Asking[] {
  return Array.from({ length: crowd }, (_, index) => {
    const key = `crowd/${index}`;
    return {
      request: txnOf({ compare: [compare.create(key, 'equal', 0)], success: [put(key, '')] }),
      timeoutMs: Number.POSITIVE_INFINITY,
      inOwnLane: false,
    };
  });
}

function readsOf({ compare: compares, success, failure }: TxnRequest): TxnRequest {
  const reads = (ops: readonly Op[]): Op[] =>
    ops.flatMap((op): Op[] => {
      if (op.type === 'txn') return [{ type: 'txn', ...readsOf(op) }];
      return op.type === 'range' ? [op] : [];
    });
  return { compare: compares, success: reads(success), failure: reads(failure) };
}
