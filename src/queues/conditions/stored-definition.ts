/**
 * Key `h/def`: what a condition queue waits for, one document. Whoever uses the queue first with a definition puts it: `IF create(h) = 0
 * THEN put h, put h/kind, put h/def ELSE IF create(h/def) = 0, value(h/kind) = condition THEN put h/def`. Its version is that of the key.
 *
 * - **Who is told**: enqueues read it beside the gate (one range); an object whose own definition is another is refused.
 * - **Who obeys**: assignments and releases compare its revision. *Reply lost, process paused*: as for the gate and for controls.
 */
import { invalidArgument } from '../../errors.js';
import { compare, type KeyValue, nested, type Op, put, type TxnOp } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';

/** False if it is to be put first. Throws `invalid-argument` if there is another, or none and this object knows none. */
export function isDefined(keys: QueueKeys, stored: KeyValue | undefined): boolean {
  if (keys.kind !== 'condition') return true;
  const { current } = keys.definition;
  if (stored === undefined) {
    if (current !== undefined) return false;
    throw invalidArgument(
      `nobody has said yet what ${keys.prefix} waits for`,
      'an object that is made with a condition or with tasks, before all others',
    );
  }
  if (current === undefined || Buffer.compare(current, stored.value) === 0) return true;
  throw invalidArgument(
    `${keys.prefix} has another definition, of version ${stored.version}`,
    'the definition that is stored, none (to take what there is), or `define`, to change it for all',
  );
}

/** Beside the put of gate and kind. */
export function putDefinition(keys: QueueKeys): readonly Op[] {
  const { current } = keys.definition;
  return current === undefined ? [] : [put(keys.definitionKey, current)];
}

/** Where gate and kind are there already. */
export function addDefinition(keys: QueueKeys): readonly TxnOp[] {
  const success = putDefinition(keys);
  if (success.length === 0) return [];
  const isMissing = compare.create(keys.definitionKey, 'equal', 0);
  return [nested({ compare: [isMissing, compare.value(keys.kindKey, 'equal', keys.kind)], success })];
}
