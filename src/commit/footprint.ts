import type { Key, KeyRange, Op, TxnRequest } from '../store/index.js';
import { bounds } from './key-set.js';

/**
 * Which keys a transaction could look at and which it could write, over all its branches at all depths: what
 * decides with whom it may share a revision.
 */
export interface Footprint {
  /** Single keys compared or ranged. */
  readonly readPoints: readonly Key[];
  /** Ranges compared or ranged, as `start, end, start, end, …`. */
  readonly readRanges: readonly Key[];
  /** Single keys put or deleted. */
  readonly writtenPoints: readonly Key[];
  /** Ranges deleted, as `start, end, start, end, …`. */
  readonly writtenRanges: readonly Key[];
}

/** Whether operations could write, at whatever depth. */
export function mayWrite(ops: readonly Op[]): boolean {
  return ops.some((op) =>
    op.type === 'txn' ? mayWrite(op.success) || mayWrite(op.failure) : op.type !== 'range',
  );
}

/** Whether a transaction could write, and whether among certain keys, over all its branches at all depths. */
export type Reach = 'writes nothing' | 'writes elsewhere' | 'writes there';

/** The reach of a transaction into a range: what its {@link Footprint} tells too, without making one. */
export function reachOf(request: TxnRequest, range: Required<KeyRange>): Reach {
  const success = reachOfOps(request.success, range);
  return success === 'writes there' ? success : furthest(success, reachOfOps(request.failure, range));
}

function reachOfOps(ops: readonly Op[], range: Required<KeyRange>): Reach {
  let reach: Reach = 'writes nothing';
  for (const op of ops) {
    if (op.type === 'range') continue;
    const own =
      op.type === 'txn' ? reachOf(op, range) : isThere(op, range) ? 'writes there' : 'writes elsewhere';
    if (own === 'writes there') return own;
    reach = furthest(reach, own);
  }
  return reach;
}

function furthest(left: Reach, right: Reach): Reach {
  if (left === 'writes there' || right === 'writes nothing') return left;
  return right;
}

function isThere(written: KeyRange, { key, rangeEnd }: Required<KeyRange>): boolean {
  const between = bounds(written);
  if (between === undefined) return written.key >= key && written.key < rangeEnd;
  return between.start < rangeEnd && key < between.end;
}

interface Collector {
  readonly readPoints: Key[];
  readonly readRanges: Key[];
  readonly writtenPoints: Key[];
  readonly writtenRanges: Key[];
}

export function footprintOf(request: TxnRequest): Footprint {
  const collector: Collector = { readPoints: [], readRanges: [], writtenPoints: [], writtenRanges: [] };
  collect(request, collector);
  return collector;
}

function collect(request: TxnRequest, into: Collector): void {
  for (const compare of request.compare) add(compare, into.readPoints, into.readRanges);
  collectOps(request.success, into);
  collectOps(request.failure, into);
}

function collectOps(ops: readonly Op[], into: Collector): void {
  for (const op of ops) {
    switch (op.type) {
      case 'put':
        into.writtenPoints.push(op.key);
        break;
      case 'delete':
        add(op, into.writtenPoints, into.writtenRanges);
        break;
      case 'range':
        // History does not change, so a read of the past meets nobody's writes.
        if (op.revision === undefined || op.revision <= 0) add(op, into.readPoints, into.readRanges);
        break;
      case 'txn':
        collect(op, into);
        break;
    }
  }
}

function add(range: KeyRange, points: Key[], ranges: Key[]): void {
  const between = bounds(range);
  if (between === undefined) points.push(range.key);
  else ranges.push(between.start, between.end);
}
