/**
 * Draws the steps of one sequence: the operations of the shared source, more of what that draws seldom (compaction,
 * watches of every kind) and what only a comparison of servers needs (hashes, leases that run out).
 */
import {
  type Compare,
  type KeyRange,
  type Op,
  type RangeRequest,
  type TxnRequest,
  validateTxn,
  type WatchRequest,
} from '../../src/store/index.js';
import { type Knowledge, OperationSource, randomFrom } from '../support/operations.js';
import type { Step } from './steps.js';

/** What is known when a step is drawn: the state of the store, and how many watches are open. */
export interface Situation extends Knowledge {
  readonly openWatches: number;
}

const usualSteps = 40;
const manySteps = 300;
/** One sequence in so many is long, one in so many waits for a lease to run out. */
const longEvery = 25;
const expiryEvery = 40;

const mostWatches = 12;
const shortTtls = [-1, 0, 1, 2, 3] as const;
/** Above etcd's limit for a request, below the one of its transport. */
const tooManyBytes = 1.6 * 1024 * 1024;
/** Granted beside those of the shared source: their order as numbers is not that as text. */
const otherLeases = ['-3', '10'] as const;
const comparedLeases = ['0', '-3', '-4', '9', '10', '9223372036854775807', '-9223372036854775808'] as const;
const everyKey: Required<KeyRange> = { key: '\0', rangeEnd: '\0' };
const watched: readonly KeyRange[] = [
  { key: 'a' },
  { key: 'b' },
  { key: 'bb' },
  { key: '\xff' },
  { key: 'b', rangeEnd: 'c' },
  { key: 'a', rangeEnd: 'bb' },
  { key: 'c', rangeEnd: '\xff' },
  { key: 'ba', rangeEnd: '\0' },
  everyKey,
  { key: '', rangeEnd: '\0' },
  { key: '', rangeEnd: 'b' },
  { key: 'c', rangeEnd: 'a' },
];

export class StepSource {
  readonly #operations: OperationSource;
  readonly #random: () => number;
  /** How many steps the sequence has. */
  readonly length: number;
  readonly #expiryAt: number;
  #drawn = 0;
  #expired = false;
  /** Steps that follow from the last one. */
  #upcoming: Step[] = [];

  /** The sequence of this number in the run of this seed. */
  constructor(seed: number, sequence: number) {
    const own = Math.imul(seed, 1_000_003) + sequence;
    this.#operations = new OperationSource(own);
    this.#random = randomFrom(own ^ 0x5bd1e995);
    this.length = sequence % longEvery === longEvery - 1 ? manySteps : usualSteps;
    this.#expiryAt = sequence % expiryEvery === 7 ? Math.floor(this.#random() * (this.length - 5)) : -1;
  }

  next(known: Situation): Step {
    this.#drawn += 1;
    const upcoming = this.#upcoming.shift();
    if (upcoming !== undefined) return upcoming;
    if (this.#expiryAt >= 0 && this.#drawn > this.#expiryAt && !this.#expired) {
      this.#expired = true;
      return { call: 'expiry', id: '77', keys: ['bb', 'a'] };
    }
    const draw = this.#random();
    if (draw < 0.02) return { call: 'hash', revision: this.#revision(known) };
    if (draw < 0.035) return { call: 'compact', revision: this.#revision(known) };
    if (draw < 0.05) return this.#briefLease();
    if (draw < 0.052) return { call: 'txn', request: tooLarge() };
    if (draw < 0.055) return { call: 'txn', request: { compare: [], success: [], failure: [] } };
    if (draw < 0.065) return this.#leasedKeys(known);
    if (draw < 0.085 && known.openWatches > 0) {
      return { call: 'closeWatch', index: Math.floor(this.#random() * mostWatches) };
    }
    if (draw < 0.14 && known.openWatches < mostWatches) return this.#watchOf(this.#watch(known));
    return this.#operation(known);
  }

  #operation(known: Situation): Step {
    const operation = this.#operations.next(known);
    switch (operation.call) {
      case 'txn': {
        const request = this.#widened(operation.request, known);
        // Most of what is refused whatever the state is drawn again, for it says little.
        return isRefusedUnseen(request) && this.#chance(0.75)
          ? this.#operation(known)
          : { call: 'txn', request };
      }
      case 'range':
        return { call: 'range', request: this.#variedRange(operation.request, known) };
      case 'grant':
        return this.#chance(0.3) ? { ...operation, id: this.#pick(otherLeases) } : operation;
      case 'revoke':
        return { ...operation, id: this.#chance(0.3) ? this.#usedLease(known) : operation.id };
      case 'timeToLive': {
        const id = this.#chance(0.4) ? this.#usedLease(known) : operation.id;
        return { ...operation, id, keys: this.#chance(0.7) };
      }
      case 'watch':
        return known.openWatches < mostWatches
          ? this.#watchOf(operation.request)
          : { call: 'hash', revision: 0 };
      default:
        return operation;
    }
  }

  #briefLease(): Step {
    const ttlSeconds = this.#pick(shortTtls);
    return { call: 'briefLease', id: this.#chance(0.5) ? '0' : '55', ttlSeconds };
  }

  #watchOf(request: WatchRequest): Step {
    return { call: 'watch', request, through: this.#chance(0.5) ? 'store' : 'server' };
  }

  #watch(known: Situation): WatchRequest {
    const without = this.#random();
    return {
      ...this.#pick(watched),
      fromRevision: this.#watchFrom(known),
      ...(without < 0.2 && { without: ['put' as const] }),
      ...(without > 0.8 && { without: ['delete' as const] }),
      ...(without > 0.45 && without < 0.48 && { without: ['put' as const, 'delete' as const] }),
      ...(this.#chance(0.6) && { prevKv: true }),
    };
  }

  #watchFrom({ revision, compactRevision }: Situation): number {
    const past = revision - Math.floor(this.#random() * 20);
    return Math.max(
      0,
      this.#pick([
        0,
        revision,
        revision + 1,
        revision + 2 + Math.floor(this.#random() * 4),
        past,
        past,
        compactRevision,
        compactRevision - 1,
      ]),
    );
  }

  /** The same, now and then over all keys, or as of the edge of what is left of the past. */
  #variedRange(request: RangeRequest, { compactRevision }: Situation): RangeRequest {
    return {
      ...request,
      ...(this.#chance(0.06) && everyKey),
      ...(this.#chance(0.04) && { revision: Math.max(0, compactRevision) }),
      ...(this.#chance(0.2) && { serializable: true }),
    };
  }

  #widened(request: TxnRequest, known: Situation): TxnRequest {
    const op = (one: Op): Op => {
      if (one.type === 'txn') return { type: 'txn', ...this.#widened(one, known) };
      if (one.type === 'range') return this.#chance(0.05) ? { ...one, ...everyKey } : one;
      if (one.type === 'put' && one.lease === '7' && this.#chance(0.4)) {
        return { ...one, lease: this.#pick(otherLeases) };
      }
      // Only where it went to the end before: the source keeps such deletes from the puts that make etcd panic.
      if (one.type === 'delete' && one.rangeEnd === '\0')
        return this.#chance(0.3) ? { ...one, key: '\0' } : one;
      return one;
    };
    const compare = (one: Compare): Compare => {
      if (one.target === 'lease' && this.#chance(0.5)) return this.#leaseCompare(one, known);
      return this.#chance(0.03) ? { ...one, ...everyKey } : one;
    };
    return {
      compare: request.compare.map(compare),
      success: request.success.map(op),
      failure: request.failure.map(op),
    };
  }

  /** A lease that has keys, if there is one. */
  #usedLease({ kvs }: Situation): string {
    const leased = kvs.filter(({ lease }) => lease !== '0');
    return leased.length === 0 ? '7' : this.#pick(leased).lease;
  }

  /** Several keys for one lease, and what is asked of it while it has them. */
  #leasedKeys(known: Situation): Step {
    const id = this.#usedLease(known);
    const keys = this.#pick([['c', 'a'], ['b'], ['\xff', 'bb', 'ba']]);
    const success = keys.map((key): Op => ({ type: 'put', key, value: new Uint8Array(), lease: id }));
    this.#upcoming = [
      { call: 'txn', request: { compare: [], success, failure: [] } },
      this.#pick<Step>([
        { call: 'timeToLive', id, keys: true },
        { call: 'revoke', id },
      ]),
    ];
    return { call: 'grant', id, ttlSeconds: 600 };
  }

  /** Of a key that has a lease, if there is one. */
  #leaseCompare({ result }: Compare, { kvs }: Situation): Compare {
    const leased = kvs.filter(({ lease }) => lease !== '0');
    const key = leased.length === 0 ? 'a' : this.#pick(leased).key;
    return { key, target: 'lease', result, operand: this.#pick(comparedLeases) };
  }

  /** Mostly readable; now and then compacted, or in the future. */
  #revision({ revision, compactRevision }: Situation): number {
    const back = revision - Math.floor(this.#random() ** 2 * 15);
    return Math.max(
      0,
      this.#pick([
        ...[0, back, back, back, back, revision, revision + 1],
        ...[compactRevision, compactRevision - 1],
      ]),
    );
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(from: readonly T[]): T {
    const picked = from[Math.floor(this.#random() * from.length)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }
}

function isRefusedUnseen(request: TxnRequest): boolean {
  try {
    validateTxn(request);
    return false;
  } catch {
    return true;
  }
}

function tooLarge(): TxnRequest {
  return {
    compare: [],
    success: [{ type: 'put', key: 'a', value: new Uint8Array(tooManyBytes) }],
    failure: [],
  };
}
