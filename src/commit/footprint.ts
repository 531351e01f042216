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
