/**
 * What a transaction does, over any view of the keys: the engine runs it over its live state, and whoever has
 * to find out what a request whose reply was lost has answered runs it over the state before that request.
 *
 * Every compare of the request, nested transactions included, is decided against the state *before* the
 * request, which fixes one branch at each level: the taken path. Then the operations of that path run in
 * order, and ranges and deletes see the writes before them.
 */
import type {
  Compare,
  Comparison,
  KeyRange,
  KeyValue,
  LeaseId,
  NestedTxnReply,
  Op,
  OpReply,
  PutOp,
  RangeOp,
  RangeReply,
  TxnRequest,
} from './types.js';

export interface TxnView {
  /** Current keys in the range, in key order; sees the puts and deletes made through this view. */
  read(range: KeyRange): readonly KeyValue[];
  /** Keys of the range as of a past revision; throws `compacted` or `future-revision`. */
  readAt(range: KeyRange, revision: number): readonly KeyValue[];
  /** Returns the previous key; throws `lease-not-found`, and `key-not-found` for ignoreValue and ignoreLease. */
  put(op: PutOp): KeyValue | undefined;
  /** Returns the deleted keys as they were, in key order. */
  delete(range: KeyRange): readonly KeyValue[];
  /**
   * Throws what etcd refuses before it applies anything. Called for every put of the taken path, then for every
   * range of it, against the state before the request.
   */
  check?(op: PutOp | RangeOp): void;
}

/** The branch taken at one level, and at the levels of its nested transactions, in their order. */
interface TakenPath {
  readonly succeeded: boolean;
  readonly ops: readonly Op[];
  readonly nested: readonly TakenPath[];
}

const noPaths: readonly TakenPath[] = [];
const noBytes = new Uint8Array(0);

/** All compares at all depths against the state before, then the operations in order. */
export function evaluateTxn(request: TxnRequest, view: TxnView): NestedTxnReply {
  const path = decide(request, view);
  if (view.check) {
    checkPath(path, 'put', view);
    checkPath(path, 'range', view);
  }
  return run(path, view);
}

/** etcd's meaning of a range's filters, sort, limit, `keysOnly` and `countOnly`, over keys read already. */
export function evaluateRange(op: Omit<RangeOp, 'type'>, kvs: readonly KeyValue[]): RangeReply {
  const count = kvs.length;
  if (op.countOnly) return { type: 'range', kvs: [], count, more: false };
  let result = sorted(op, filtered(op, kvs));
  const limit = op.limit ?? 0;
  const more = limit > 0 && result.length > limit;
  if (more) result = result.slice(0, limit);
  if (op.keysOnly) result = result.map((kv) => ({ ...kv, value: noBytes }));
  return { type: 'range', kvs: result, count, more };
}

/** True if the compare holds for every one of `kvs`, the keys that exist in its range. */
export function compareHolds(compare: Compare, kvs: readonly KeyValue[]): boolean {
  if (kvs.length === 0) return holdsForMissing(compare);
  for (const kv of kvs) {
    if (!ordered(compare.result, difference(compare, kv))) return false;
  }
  return true;
}

function decide(request: TxnRequest, view: TxnView): TakenPath {
  let succeeded = true;
  for (const compare of request.compare) {
    if (!compareHolds(compare, view.read(compare))) {
      succeeded = false;
      break;
    }
  }
  const ops = succeeded ? request.success : request.failure;
  let nested: TakenPath[] | undefined;
  for (const op of ops) {
    if (op.type !== 'txn') continue;
    nested ??= [];
    nested.push(decide(op, view));
  }
  return { succeeded, ops, nested: nested ?? noPaths };
}

function checkPath(path: TakenPath, type: 'put' | 'range', view: TxnView): void {
  let level = 0;
  for (const op of path.ops) {
    if (op.type === 'txn') {
      const nested = path.nested[level];
      level += 1;
      if (nested) checkPath(nested, type, view);
    } else if (op.type === type) {
      view.check?.(op);
    }
  }
}

function run(path: TakenPath, view: TxnView): NestedTxnReply {
  const replies: OpReply[] = [];
  let level = 0;
  for (const op of path.ops) {
    if (op.type === 'txn') {
      const nested = path.nested[level];
      level += 1;
      if (nested) replies.push(run(nested, view));
    } else {
      replies.push(apply(op, view));
    }
  }
  return { type: 'txn', succeeded: path.succeeded, replies };
}

function apply(op: Exclude<Op, { type: 'txn' }>, view: TxnView): OpReply {
  switch (op.type) {
    case 'range': {
      const revision = op.revision ?? 0;
      return evaluateRange(op, revision > 0 ? view.readAt(op, revision) : view.read(op));
    }
    case 'put': {
      const previous = view.put(op);
      return op.prevKv && previous ? { type: 'put', prevKv: previous } : { type: 'put' };
    }
    case 'delete': {
      const previous = view.delete(op);
      return { type: 'delete', deleted: previous.length, prevKvs: op.prevKv ? previous : [] };
    }
  }
}

function filtered(op: Omit<RangeOp, 'type'>, kvs: readonly KeyValue[]): readonly KeyValue[] {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = op;
  if (!minModRevision && !maxModRevision && !minCreateRevision && !maxCreateRevision) return kvs;
  return kvs.filter(
    (kv) =>
      !(maxModRevision && kv.modRevision > maxModRevision) &&
      !(minModRevision && kv.modRevision < minModRevision) &&
      !(maxCreateRevision && kv.createRevision > maxCreateRevision) &&
      !(minCreateRevision && kv.createRevision < minCreateRevision),
  );
}

const ascending = {
  key: (a: KeyValue, b: KeyValue) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  version: (a: KeyValue, b: KeyValue) => a.version - b.version,
  create: (a: KeyValue, b: KeyValue) => a.createRevision - b.createRevision,
  mod: (a: KeyValue, b: KeyValue) => a.modRevision - b.modRevision,
  value: (a: KeyValue, b: KeyValue) => Buffer.compare(a.value, b.value),
} as const;

/** Keys that tie stay in key order, in either direction. etcd promises no order there, but keeps it for up to 12 keys. */
function sorted(op: Omit<RangeOp, 'type'>, kvs: readonly KeyValue[]): readonly KeyValue[] {
  if (op.sort === undefined) return kvs;
  const { target, order } = op.sort;
  if (target === 'key') return order === 'ascend' ? kvs : [...kvs].reverse();
  const compareKvs = ascending[target];
  return [...kvs].sort(order === 'ascend' ? compareKvs : (a, b) => compareKvs(b, a));
}

/** A missing key has no value, which equals nothing and is less than nothing; all else of it is 0. */
function holdsForMissing(compare: Compare): boolean {
  switch (compare.target) {
    case 'value':
      return false;
    case 'lease':
      return ordered(compare.result, leaseOrder('0', compare.operand));
    default:
      return ordered(compare.result, -compare.operand);
  }
}

function difference(compare: Compare, kv: KeyValue): number {
  switch (compare.target) {
    case 'version':
      return kv.version - compare.operand;
    case 'create':
      return kv.createRevision - compare.operand;
    case 'mod':
      return kv.modRevision - compare.operand;
    case 'lease':
      return leaseOrder(kv.lease, compare.operand);
    case 'value':
      return Buffer.compare(kv.value, compare.operand);
  }
}

function leaseOrder(a: LeaseId, b: LeaseId): number {
  if (a === b) return 0;
  const [left, right] = [BigInt(a), BigInt(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function ordered(result: Comparison, order: number): boolean {
  switch (result) {
    case 'equal':
      return order === 0;
    case 'not-equal':
      return order !== 0;
    case 'greater':
      return order > 0;
    case 'less':
      return order < 0;
  }
}
