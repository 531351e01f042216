/**
 * Whether items are let into a queue: what was read of `h`, `h/ctl` and `h/kind` (one range) before their keys were made.
 *
 * A queue is made by whoever uses it first: `IF create(h) = 0 THEN put h, put h/kind`. Gate and kind are never deleted. The kind is
 * not compared by what enters, as it never changes once the gate is there.
 */
import { invalidArgument, QuorateError } from '../../errors.js';
import { compare, type KeyValue, put, type TxnRequest, textOf, txnOf } from '../../store/index.js';
import { placeOf, type QueueKeys, type QueueKind } from '../keys.js';
import { decodeControl } from '../records/index.js';

export interface AdmissionReading {
  /** False: nobody has used the queue yet, and {@link createGate} comes first. */
  readonly exists: boolean;
  /** The revision that last wrote the control, 0 if nothing has. */
  readonly control: number;
}

/** Throws `queue-closed`, and `invalid-argument` for a queue of another kind. */
export function admissionOf(keys: QueueKeys, kvs: readonly KeyValue[]): AdmissionReading {
  const found = new Map(kvs.map((kv) => [kv.key, kv]));
  const exists = found.has(keys.gate);
  if (exists) checkKind(keys, found.get(keys.kindKey));
  const control = found.get(keys.control);
  if (control !== undefined && decodeControl(control.value).closed) {
    throw new QuorateError('queue-closed', `${keys.prefix} was closed by an operator, and lets nothing in`);
  }
  return { exists, control: control?.modRevision ?? 0 };
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

/** The gate's value is a place below every item put after that revision. */
export function createGate(keys: QueueKeys, revision: number): TxnRequest {
  return txnOf({
    compare: [compare.create(keys.gate, 'equal', 0)],
    success: [put(keys.gate, placeOf(revision)), put(keys.kindKey, keys.kind)],
  });
}
