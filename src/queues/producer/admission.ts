/**
 * Whether items are let into a queue: what was read of `h`, `h/ctl` and `h/kind` (one range) before their keys were made.
 *
 * A queue is made by whoever uses it first: `IF create(h) = 0 THEN put h, put h/kind`, and so is each level of a queue that has
 * levels, at once or later: `IF create(h/p/<level>) = 0 THEN put h/p/<level>`. Gates and kind are never deleted. The kind is
 * not compared by what enters, as it never changes once the gate is there. A worker that joins compares it, and makes the queue if
 * there is none, in the same request: `IF value(h/kind) = mine THEN join ELSE {IF create(h) = 0 THEN put h, put h/kind, join ELSE get h,
 * get h/kind}`. So no worker of another kind is ever given a job.
 */
import { invalidArgument, QuorateError } from '../../errors.js';
import {
  compare,
  get,
  type KeyValue,
  nested,
  type Op,
  type OpReply,
  put,
  type TxnOp,
  type TxnRequest,
  textOf,
  txnOf,
} from '../../store/index.js';
import { addDefinition, isDefined, putDefinition } from '../conditions/stored-definition.js';
import { type LevelName, placeOf, type QueueKeys, type QueueKind } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { decodeControl, type QueueBound } from '../records/index.js';

export interface AdmissionReading {
  /** Gates that are not there yet, that of the queue first: {@link createGates} comes first, if there are any. */
  readonly missing: readonly LevelName[];
  /** The revision that last wrote the control, 0 if nothing has. */
  readonly control: number;
  /** Null: it was decided that there is none. Undefined: nobody has decided. */
  readonly bound: QueueBound | null | undefined;
}

/**
 * Whether items are let into these levels. Throws `queue-closed`, and `invalid-argument` for a queue of another kind or, of a condition
 * queue, with another definition.
 */
export function admissionOf(
  keys: QueueKeys,
  kvs: readonly KeyValue[],
  levels: Iterable<LevelName>,
): AdmissionReading {
  const found = new Map(kvs.map((kv) => [kv.key, kv]));
  const missing = [...new Set(['', ...levels])].filter((level) => !found.has(keys.gateOf(level)));
  if (!missing.includes('')) checkKind(keys, found.get(keys.kindKey));
  if (!isDefined(keys, found.get(keys.definitionKey)) && !missing.includes('')) missing.unshift('');
  const stored = found.get(keys.control);
  const control = stored && decodeControl(stored.value);
  if (control?.closed) {
    throw new QuorateError('queue-closed', `${keys.prefix} was closed by an operator, and lets nothing in`);
  }
  return { missing, control: stored?.modRevision ?? 0, bound: control?.bound };
}

/** Throws `invalid-argument` if the queue, which exists, is of another kind than the object that uses it. */
export function checkKind(keys: QueueKeys, stored: KeyValue | undefined): void {
  const kind: string = stored === undefined ? ('fifo' satisfies QueueKind) : textOf(stored.value);
  if (kind === keys.kind) return;
  throw invalidArgument(
    `${keys.prefix} is a queue of kind "${kind}", not "${keys.kind}"`,
    'an object of its kind',
  );
}

/** Reads what {@link checkKindIn} looks at. */
export function kindReads(keys: QueueKeys): readonly Op[] {
  return [get(keys.gate, { keysOnly: true }), get(keys.kindKey)];
}

/** {@link checkKind} of the replies to {@link kindReads}; nothing, if nobody has used the queue. */
export function checkKindIn(keys: QueueKeys, [gate, kind]: readonly (OpReply | undefined)[]): void {
  if (firstOf(gate) !== undefined) checkKind(keys, firstOf(kind));
}

/** Does it if the queue is of this kind, or becomes so by being made. */
export function ifOfKind(keys: QueueKeys, success: readonly Op[]): TxnOp {
  const make = nested({
    compare: [compare.create(keys.gate, 'equal', 0)],
    // Every item has a larger key.
    success: [put(keys.gate, placeOf(0)), put(keys.kindKey, keys.kind), ...putDefinition(keys), ...success],
    failure: kindReads(keys),
  });
  return nested({
    compare: [compare.value(keys.kindKey, 'equal', keys.kind)],
    success,
    failure: [make],
  });
}

/** Whether {@link ifOfKind} did it; false if its kind has yet to be written down. Throws as {@link checkKind}. */
export function wasOfKind(keys: QueueKeys, reply: OpReply | undefined): boolean {
  if (reply?.type !== 'txn' || reply.succeeded) return true;
  const [make] = reply.replies;
  if (make?.type !== 'txn' || make.succeeded) return true;
  checkKindIn(keys, make.replies);
  return false;
}

/** For a queue that was made before there were kinds. */
export function writeKind(keys: QueueKeys): TxnRequest {
  return txnOf({
    compare: [compare.create(keys.kindKey, 'equal', 0), compare.create(keys.gate, 'greater', 0)],
    success: [put(keys.kindKey, keys.kind)],
  });
}

/** A gate's value is a place below every item that is put after that revision. */
export function createGates(keys: QueueKeys, revision: number, missing: readonly LevelName[]): TxnRequest {
  const gates = missing.map((level) => put(keys.gateOf(level), placeOf(revision, level)));
  return txnOf({
    compare: missing.map((level) => compare.create(keys.gateOf(level), 'equal', 0)),
    success: missing.includes('') ? [...gates, put(keys.kindKey, keys.kind), ...putDefinition(keys)] : gates,
    failure: addDefinition(keys),
  });
}
