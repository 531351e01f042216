import { compare, nested, put, type TxnOp } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import { encodeReleased, releasedKey, revocable } from './condition-keys.js';
import type { PlannedRelease } from './messages.js';

/** The release of what has gathered below `upTo`; what each compare is for is told in gathering.ts. */
export function release(
  keys: QueueKeys,
  { from, upTo, revision, definedAt, isExact }: PlannedRelease,
): TxnOp {
  const { key, rangeEnd } = keys.itemsBetween(from, upTo);
  const cancelled = {
    key: keys.cancellation(from),
    rangeEnd: upTo === undefined ? keys.cancellations.rangeEnd : keys.cancellation(upTo),
  };
  // Of what is released for good it does not matter how much more of it there is.
  const nothingCame = upTo === undefined ? [] : [compare.create({ key, rangeEnd }, 'less', revision + 1)];
  return nested({
    compare: [
      compare.mod(keys.definitionKey, 'equal', definedAt),
      compare.mod(revocable(keys), 'less', revision + 1),
      ...(isExact ? [...nothingCame, compare.create(cancelled, 'less', revision + 1)] : []),
    ],
    success: [
      ...(upTo === undefined ? [] : [put(keys.gate, upTo)]),
      put(releasedKey(keys), encodeReleased(upTo)),
    ],
  });
}
