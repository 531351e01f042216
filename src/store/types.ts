/**
 * The vocabulary of a store: what etcd's v3 API says, as plain data. Transactions are data and not closures so
 * that they can be merged, recorded, replayed and compared.
 */

/**
 * A key as a byte string: every character stands for one byte (U+0000 to U+00FF), so that comparing keys as
 * strings is comparing their bytes. Text outside ASCII is first encoded: see `keyOf`.
 */
export type Key = string;

/** A lease id: a decimal int64, `'0'` for none. A string, since ids that other clients chose exceed 2^53. */
export type LeaseId = string;

export const noLease: LeaseId = '0';

/** One key, or with `rangeEnd` all keys from `key` (inclusive) to `rangeEnd` (exclusive); `'\0'` is the end of all keys. */
export interface KeyRange {
  readonly key: Key;
  readonly rangeEnd?: Key;
}

export interface KeyValue {
  readonly key: Key;
  readonly value: Uint8Array;
  /** Revision at which this life of the key began. */
  readonly createRevision: number;
  /** Revision of the last put. */
  readonly modRevision: number;
  /** Number of puts in this life of the key, from 1. */
  readonly version: number;
  readonly lease: LeaseId;
}

export type Comparison = 'equal' | 'not-equal' | 'greater' | 'less';

/** Holds if the target of *every* key in the range compares so. A missing single key counts as 0, as no lease, and as no value (which equals nothing). An empty range compares as 0. */
export type Compare = KeyRange & { readonly result: Comparison } & (
    | { readonly target: 'version' | 'create' | 'mod'; readonly operand: number }
    | { readonly target: 'lease'; readonly operand: LeaseId }
    | { readonly target: 'value'; readonly operand: Uint8Array }
  );

export interface SortOrder {
  readonly target: 'key' | 'version' | 'create' | 'mod' | 'value';
  readonly order: 'ascend' | 'descend';
}

export interface RangeOp extends KeyRange {
  readonly type: 'range';
  /** At most so many keys, after sorting. 0 or absent: all. */
  readonly limit?: number;
  /** Read the past as of this revision. 0 or absent: now. */
  readonly revision?: number;
  readonly sort?: SortOrder;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  readonly minModRevision?: number;
  readonly maxModRevision?: number;
  readonly minCreateRevision?: number;
  readonly maxCreateRevision?: number;
}

export interface PutOp {
  readonly type: 'put';
  readonly key: Key;
  readonly value: Uint8Array;
  readonly lease?: LeaseId;
  readonly prevKv?: boolean;
  /** Keep the value that is there; the key must exist, and `value` be empty. */
  readonly ignoreValue?: boolean;
  /** Keep the lease that is there; the key must exist, and `lease` be none. */
  readonly ignoreLease?: boolean;
}

export interface DeleteOp extends KeyRange {
  readonly type: 'delete';
  readonly prevKv?: boolean;
}

export interface TxnOp extends TxnRequest {
  readonly type: 'txn';
}

export type Op = RangeOp | PutOp | DeleteOp | TxnOp;

/**
 * If all compares hold then `success` else `failure`, in one revision. Every compare, those of nested
 * transactions included, is evaluated against the state *before* the request; ranges see the writes before them.
 */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure: readonly Op[];
}

export interface RangeReply {
  readonly type: 'range';
  readonly kvs: readonly KeyValue[];
  /** Number of keys in the range, whatever the limit (as etcd counts: before the revision filters). */
  readonly count: number;
  /** True if the limit left keys out. */
  readonly more: boolean;
}

export interface PutReply {
  readonly type: 'put';
  readonly prevKv?: KeyValue;
}

export interface DeleteReply {
  readonly type: 'delete';
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

export interface NestedTxnReply {
  readonly type: 'txn';
  readonly succeeded: boolean;
  readonly replies: readonly OpReply[];
}

export type OpReply = RangeReply | PutReply | DeleteReply | NestedTxnReply;

export interface TxnReply {
  /** The store's revision when the request was evaluated, its own writes included: its linearization point. */
  readonly revision: number;
  readonly succeeded: boolean;
  readonly replies: readonly OpReply[];
}

export interface KeyEvent {
  readonly type: 'put' | 'delete';
  /** For a delete: the key and, as `modRevision`, the revision of the delete; the rest is 0, empty and none. */
  readonly kv: KeyValue;
  /** The key before, if the watch asked for it, there was one, and compaction has left it. */
  readonly prevKv?: KeyValue;
}
