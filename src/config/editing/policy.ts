import { invalidArgument, shown } from '../../errors.js';
import { rememberedIds } from '../records/head.js';
import type { ConfigPolicy } from '../records/policy.js';
import { mostApprovals } from './limits.js';

const mostKept = 10_000;

/** The policy with what is given of another. Throws `invalid-argument`. */
export function checkedPolicy(given: Partial<ConfigPolicy>, before: ConfigPolicy): ConfigPolicy {
  if (typeof given !== 'object' || given === null) {
    throw invalidArgument(`a policy is of type ${typeof given}`, 'an object with approvals or keep');
  }
  const { approvals = before.approvals, keep = before.keep } = given;
  if (!(Number.isSafeInteger(approvals) && approvals >= 0 && approvals <= mostApprovals)) {
    throw invalidArgument(`approvals is ${shown(approvals)}`, `a whole number from 0 to ${mostApprovals}`);
  }
  // Fewer would forget changes whose ids are still remembered.
  if (!(Number.isSafeInteger(keep) && keep >= rememberedIds && keep <= mostKept)) {
    throw invalidArgument(`keep is ${shown(keep)}`, `a whole number from ${rememberedIds} to ${mostKept}`);
  }
  return { approvals, keep };
}
