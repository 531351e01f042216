/**
 * Whether items are let into a queue: what was read of `h`, `h/ctl` and `h/kind` (one range) before their keys were made.
 *
 * A queue is made by whoever uses it first: `IF create(h) = 0 THEN put h, put h/kind`, and so is each level of a queue that has
 * levels, at once or later: `IF create(h/p/<level>) = 0 THEN put h/p/<level>`. Gates and kind are never deleted. The kind is
 * not compared by what enters, as it never changes once the gate is there.
 */
import { invalidArgument, QuorateError } from '../../errors.js';
import { compare, type KeyValue, put, type TxnRequest, textOf, txnOf } from '../../store/index.js';
import { addDefinition, isDefined, putDefinition } from '../conditions/stored-definition.js';
import { type LevelName, placeOf, type QueueKeys, type QueueKind } from '../keys.js';
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

/** A gate's value is a place below every item that is put after that revision. */
export function createGates(keys: QueueKeys, revision: number, missing: readonly LevelName[]): TxnRequest {
  const gates = missing.map((level) => put(keys.gateOf(level), placeOf(revision, level)));
  return txnOf({
    compare: missing.map((level) => compare.create(keys.gateOf(level), 'equal', 0)),
    success: missing.includes('') ? [...gates, put(keys.kindKey, keys.kind), ...putDefinition(keys)] : gates,
    failure: addDefinition(keys),
  });
}
