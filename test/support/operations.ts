/**
 * Random operations for an etcd-like store, drawn with knowledge of its state, so that compares meet the values that
 * are there, puts meet leases that live and died, and revisions lie before, at and after what can be read. The same
 * seed and the same states give the same operations.
 */
import type {
  Compare,
  KeyRange,
  KeyValue,
  LeaseId,
  Op,
  PutOp,
  RangeOp,
  RangeRequest,
  SortOrder,
  TxnRequest,
  WatchRequest,
} from '../../src/store/index.js';

export type Operation =
  | { readonly call: 'txn'; readonly request: TxnRequest }
  | { readonly call: 'range'; readonly request: RangeRequest }
  | { readonly call: 'grant'; readonly id: LeaseId; readonly ttlSeconds: number }
  | { readonly call: 'revoke'; readonly id: LeaseId }
  | { readonly call: 'keepAlive'; readonly id: LeaseId }
  | { readonly call: 'timeToLive'; readonly id: LeaseId }
  | { readonly call: 'compact'; readonly revision: number }
  | { readonly call: 'watch'; readonly request: WatchRequest };

export interface Knowledge {
  readonly revision: number;
  readonly compactRevision: number;
  readonly kvs: readonly KeyValue[];
}

const keys = ['a', 'b', 'ba', 'bb', 'c', 'd\x00', 'e\x80', '\xff'] as const;
const rangeEnds = ['', '\0', 'a', 'b\x00', 'bb', 'c', 'e', '\xff'] as const;
const values = ['', '1', '2', 'some longer value', '\x00\xff'] as const;
/** Ids that are granted: never one that the server chooses, nor a TTL that could run out. */
const grantedIds = ['7', '8', '9223372036854775807'] as const;
const leaseIds = ['0', '0', '0', '7', '8', '9223372036854775807', '4242'] as const;
const comparisons = ['equal', 'not-equal', 'greater', 'less'] as const;

/** A generator of numbers in [0, 1) that is small and good enough for tests (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class OperationSource {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  next(known: Knowledge): Operation {
    const draw = this.#random();
    if (draw < 0.58) return { call: 'txn', request: this.txn(known) };
    if (draw < 0.74) return { call: 'range', request: this.#range(known) };
    if (draw < 0.8) return { call: 'watch', request: this.#watch(known) };
    if (draw < 0.86) return { call: 'grant', id: this.#pick(grantedIds), ttlSeconds: this.#ttlSeconds() };
    if (draw < 0.9) return { call: 'revoke', id: this.#leaseId() };
    if (draw < 0.93) return { call: 'keepAlive', id: this.#leaseId() };
    if (draw < 0.985) return { call: 'timeToLive', id: this.#leaseId() };
    return { call: 'compact', revision: this.#revision(known) };
  }

  txn(known: Knowledge): TxnRequest {
    if (this.#chance(0.03)) return this.#wide();
    const request = this.#level(known, 0);
    // etcd 3.4 panics where a delete to the end of all keys, which its check for duplicates overlooks, takes away the
    // key whose value or lease a later put is to keep.
    return deletesToTheEnd(request) ? withoutIgnoring(request) : request;
  }

  #level(known: Knowledge, depth: number): TxnRequest {
    return {
      compare: this.#list(this.#chance(0.5) ? 0 : 2, () => this.#compare(known)),
      success: this.#list(3, () => this.#op(known, depth)),
      failure: this.#list(3, () => this.#op(known, depth)),
    };
  }

  #op(known: Knowledge, depth: number): Op {
    const draw = this.#random();
    if (draw < 0.42) return this.#put();
    if (draw < 0.6) return { type: 'delete', ...this.#keyRange(), ...this.#flag('prevKv') };
    if (draw < 0.82 || depth === 3) return { type: 'range', ...this.#range(known) };
    return { type: 'txn', ...this.#level(known, depth + 1) };
  }

  #put(): PutOp {
    const key = this.#key();
    const draw = this.#random();
    if (draw < 0.08) {
      const value = this.#chance(0.9) ? '' : '1';
      return { type: 'put', key, value: bytes(value), ignoreValue: true, lease: this.#leaseId() };
    }
    if (draw < 0.16) {
      const lease = this.#chance(0.9) ? {} : { lease: '7' };
      return { type: 'put', key, value: bytes(this.#pick(values)), ignoreLease: true, ...lease };
    }
    const lease = this.#chance(0.4) ? { lease: this.#leaseId() } : {};
    return { type: 'put', key, value: bytes(this.#pick(values)), ...lease, ...this.#flag('prevKv') };
  }

  #compare(known: Knowledge): Compare {
    const range = this.#keyRange();
    const result = this.#pick(comparisons);
    const existing = this.#chance(0.7) ? this.#pickFrom(known.kvs) : undefined;
    const subject = existing && this.#chance(0.8) ? { key: existing.key } : range;
    switch (this.#pick(['create', 'mod', 'version', 'value', 'lease'] as const)) {
      case 'create':
        return { ...subject, result, target: 'create', operand: existing?.createRevision ?? 0 };
      case 'mod':
        return {
          ...subject,
          result,
          target: 'mod',
          operand: existing?.modRevision ?? Math.max(0, known.revision - 2),
        };
      case 'version':
        return { ...subject, result, target: 'version', operand: existing?.version ?? 1 };
      case 'value':
        return { ...subject, result, target: 'value', operand: existing?.value ?? bytes(this.#pick(values)) };
      case 'lease':
        return { ...subject, result, target: 'lease', operand: existing?.lease ?? this.#leaseId() };
    }
  }

  #range(known: Knowledge): Omit<RangeOp, 'type'> {
    const near = () => Math.max(0, known.revision - Math.floor(this.#random() * 12));
    return {
      ...this.#keyRange(),
      ...(this.#chance(0.25) && { limit: Math.floor(this.#random() * 5) }),
      ...(this.#chance(0.25) && { revision: this.#revision(known) }),
      ...(this.#chance(0.4) && { sort: this.#sort() }),
      ...this.#flag('keysOnly'),
      ...(this.#chance(0.1) && { countOnly: true }),
      ...(this.#chance(0.12) && { minModRevision: near() }),
      ...(this.#chance(0.12) && { maxModRevision: near() }),
      ...(this.#chance(0.12) && { minCreateRevision: near() }),
      ...(this.#chance(0.12) && { maxCreateRevision: near() }),
    };
  }

  #sort(): SortOrder {
    return {
      target: this.#pick(['key', 'version', 'create', 'mod', 'value'] as const),
      order: this.#pick(['ascend', 'descend'] as const),
    };
  }

  #watch(known: Knowledge): WatchRequest {
    const range = this.#keyRange();
    const key = range.key === '' ? 'a' : range.key;
    const rangeEnd = range.rangeEnd !== undefined && range.rangeEnd > key ? range.rangeEnd : '\0';
    const draw = this.#random();
    const fromRevision =
      draw < 0.4 ? 0 : draw < 0.85 ? this.#revision(known) : known.revision + 1 + Math.floor(draw * 4);
    return {
      key,
      ...(this.#chance(0.8) && { rangeEnd }),
      fromRevision,
      ...(this.#chance(0.25) && { without: [this.#pick(['put', 'delete'] as const)] }),
      ...(this.#chance(0.5) && { prevKv: true }),
    };
  }

  /** Mostly readable; now and then compacted, or in the future. */
  #revision(known: Knowledge): number {
    const revision = known.revision + 1 - Math.floor(this.#random() ** 2 * 25);
    return Math.max(0, this.#chance(0.8) ? Math.min(revision, known.revision) : revision);
  }

  #keyRange(): KeyRange {
    const key = this.#key();
    return this.#chance(0.6) ? { key } : { key, rangeEnd: this.#pick(rangeEnds) };
  }

  #key(): string {
    return this.#chance(0.01) ? '' : this.#pick(keys);
  }

  #leaseId(): LeaseId {
    return this.#pick(leaseIds);
  }

  #ttlSeconds(): number {
    return this.#pick([600, 3_000, 9_000_000_000, 9_000_000_001]);
  }

  /** About as many operations as are allowed, on one level or on two. Few keys, since etcd's sorts are not stable beyond 12. */
  #wide(): TxnRequest {
    const count = (size: number): Op[] =>
      Array.from({ length: Math.floor(size) }, () => ({
        type: 'range',
        key: this.#pick(keys),
        countOnly: true,
      }));
    const put: Op = { type: 'put', key: this.#pick(keys), value: bytes('wide') };
    const nested: Op = {
      type: 'txn',
      compare: [],
      success: [put, ...count(this.#random() * 14)],
      failure: [],
    };
    const outer = count(116 + this.#random() * 14);
    return { compare: [], success: this.#chance(0.5) ? [...outer, put] : [...outer, nested], failure: [] };
  }

  #list<T>(longest: number, make: () => T): T[] {
    return Array.from({ length: Math.floor(this.#random() * (longest + 1)) }, make);
  }

  #flag<N extends string>(name: N): { readonly [K in N]?: true } {
    return (this.#chance(0.3) ? { [name]: true } : {}) as { readonly [K in N]?: true };
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(from: readonly [T, ...T[]]): T {
    return this.#pickFrom(from) ?? from[0];
  }

  #pickFrom<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.#random() * from.length)];
  }
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

function deletesToTheEnd(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some((op) =>
    op.type === 'txn' ? deletesToTheEnd(op) : op.type === 'delete' && op.rangeEnd === '\0',
  );
}

function withoutIgnoring({ compare, success, failure }: TxnRequest): TxnRequest {
  const plain = (op: Op): Op => {
    if (op.type === 'txn') return { type: 'txn', ...withoutIgnoring(op) };
    return op.type === 'put' ? { type: 'put', key: op.key, value: op.value } : op;
  };
  return { compare, success: success.map(plain), failure: failure.map(plain) };
}
