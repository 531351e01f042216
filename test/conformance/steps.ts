/**
 * What a generated sequence consists of: single calls, and a few small stories that only make sense as a whole. A step
 * is plain data, so a sequence can be printed, cut down and run again.
 */
import type { KeyRange, Op, TxnRequest, WatchRequest } from '../../src/store/index.js';
import type { Operation } from '../support/operations.js';

export type Step =
  | Exclude<Operation, { readonly call: 'timeToLive' | 'watch' }>
  /** Through the store, or of the server itself. */
  | { readonly call: 'watch'; readonly request: WatchRequest; readonly through: 'store' | 'server' }
  | { readonly call: 'timeToLive'; readonly id: string; readonly keys: boolean }
  /** The hash of the whole history as of a revision; 0: now. */
  | { readonly call: 'hash'; readonly revision: number }
  /** Closes an open watch, chosen modulo their number. */
  | { readonly call: 'closeWatch'; readonly index: number }
  /** A lease without keys that is granted, looked at and revoked at once, so its TTL may be short and its id the server's. */
  | { readonly call: 'briefLease'; readonly id: string; readonly ttlSeconds: number }
  /** A lease with the shortest TTL is granted, given these keys, and left to run out. */
  | { readonly call: 'expiry'; readonly id: string; readonly keys: readonly string[] };

/** A step with the store's revision at which it was drawn. */
export interface DrawnStep {
  readonly step: Step;
  readonly atRevision: number;
}

/** The step as it would be drawn `by` revisions later; what is 0 means "now" or "none", and stays. */
export function shifted(step: Step, by: number): Step {
  const move = (revision: number) => (revision === 0 ? 0 : Math.max(0, revision + by));
  switch (step.call) {
    case 'txn':
      return { call: 'txn', request: shiftedTxn(step.request, move) };
    case 'range':
      return { call: 'range', request: shiftedRange(step.request, move) };
    case 'watch': {
      const { fromRevision = 0 } = step.request;
      return { ...step, request: { ...step.request, fromRevision: move(fromRevision) } };
    }
    case 'compact':
    case 'hash':
      return { ...step, revision: move(step.revision) };
    default:
      return step;
  }
}

type Move = (revision: number) => number;
const revisionFields = [
  'revision',
  'minModRevision',
  'maxModRevision',
  'minCreateRevision',
  'maxCreateRevision',
] as const;

function shiftedRange<R extends KeyRange & { readonly [F in (typeof revisionFields)[number]]?: number }>(
  range: R,
  move: Move,
): R {
  const moved: Partial<Record<(typeof revisionFields)[number], number>> = {};
  for (const field of revisionFields) {
    const revision = range[field];
    if (revision !== undefined) moved[field] = move(revision);
  }
  return { ...range, ...moved };
}

function shiftedTxn(request: TxnRequest, move: Move): TxnRequest {
  const op = (one: Op): Op => {
    if (one.type === 'txn') return { type: 'txn', ...shiftedTxn(one, move) };
    return one.type === 'range' ? shiftedRange(one, move) : one;
  };
  return {
    compare: request.compare.map((compare) =>
      compare.target === 'create' || compare.target === 'mod'
        ? { ...compare, operand: move(compare.operand) }
        : compare,
    ),
    success: request.success.map(op),
    failure: request.failure.map(op),
  };
}

const longestPrintedValue = 60;

/** The step on one line. Bytes are shown as text, so that a person sees what was written. */
export function printed(step: Step): string {
  const { call, ...rest } = step;
  const content = step.call === 'txn' || step.call === 'range' ? step.request : rest;
  return `${call} ${JSON.stringify(content, (_, value: unknown) => {
    if (!(value instanceof Uint8Array)) return value;
    const text = Buffer.from(value).toString('latin1');
    return text.length <= longestPrintedValue ? text : `${text.length} bytes`;
  })}`;
}
