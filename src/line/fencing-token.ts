import { invariant } from '../runtime/index.js';

/** Local grants that one proof revision can number. */
export const grantsPerRevision = 1_024;

/** Above this the product would not be exact: about 28 years at 10,000 revisions a second. */
const lastRevision = 2 ** 43;

/**
 * The fencing token of a grant: its proof revision times 1,024 plus the number of the local grant.
 *
 * Strictly increasing per lock, across processes: a hold still stands at its proof revision and ends after it, and
 * the next one's proof shows the state at or after that end. The create revision of the place would not do: one
 * that queued before a hand-off is older than the hand-off.
 */
export function fencingToken(proofRevision: number, localGrant: number): number {
  invariant(proofRevision > 0 && proofRevision < lastRevision, 'the revision leaves room for local grants');
  invariant(localGrant >= 0 && localGrant < grantsPerRevision, 'at most 1,024 local grants a revision');
  return proofRevision * grantsPerRevision + localGrant;
}
