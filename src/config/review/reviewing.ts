import { invalidArgument, QuorateError, shown } from '../../errors.js';
import type { TimeLeft } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, type KeyValue, type Op, prefixRange, put, remove } from '../../store/index.js';
import { readOnly } from '../editing/document-state.js';
import type { ConfigKeys } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import { encodeVote } from '../records/review.js';
import { type ConfigProposal, isSame, reviewsIn } from './proposals.js';

/** Votes on one proposal. A rejection is counted apart: however many approve, there is room to object. */
const mostVotes = { approve: 64, reject: 128 } as const;
/** So many votes of a voter's own on what is not there any more are cleared away with a vote. */
const mostCleared = 32;

export interface ReviewParts {
  readonly client: Client;
  readonly keys: ConfigKeys;
}

/** The oldest first. */
export async function readProposals(
  { client, keys }: ReviewParts,
  left: TimeLeft,
): Promise<readonly ConfigProposal[]> {
  const { kvs } = await readOnly(() => client.store.range(prefixRange(keys.reviews), left.all()));
  const { proposals } = reviewsIn(keys, kvs);
  return [...proposals].sort((one, other) => one.revision - other.revision);
}

/**
 * Votes on a proposal as it was seen. Two requests: one that counts, one that writes. Throws `conflict` if it is another by now, or gone;
 * `over-limit`.
 */
export async function vote(
  parts: ReviewParts,
  left: TimeLeft,
  seen: ConfigProposal,
  verdict: 'approve' | 'reject',
  by: Attribution,
): Promise<void> {
  const { author: voter, atMs, reason } = by;
  const { author: proposer, revision } = seen;
  if (voter === proposer) {
    throw invalidArgument(`${voter} votes on a proposal of its own`, 'a proposal of another author');
  }
  const { client, keys } = parts;
  const all = { ...prefixRange(keys.reviews), keysOnly: true };
  const { kvs } = await readOnly(() => client.store.range(all, left.all()));
  const reviews = kvs.flatMap((kv) => {
    const parsed = keys.parseReview(kv.key);
    return parsed === undefined ? [] : [{ ...parsed, kv }];
  });
  const votes = reviews.filter((one) => one.kind === 'vote');
  const others = votes.filter((one) => isSame(one.proposal, seen) && one.voter !== voter).length;
  if (others >= mostVotes[verdict]) throw tooManyVotes(seen, others, verdict);
  const standing = reviews.filter(({ kind }) => kind === 'proposal');
  const stale = votes.filter(
    (one) => one.voter === voter && !standing.some(({ proposal }) => isSame(proposal, one.proposal)),
  );
  const record = encodeVote({ atMs, reason, verdict, revision });
  await underProposal(parts, left, seen, [
    put(keys.vote(voter, seen), record),
    ...stale
      .filter(({ proposal }) => !isSame(proposal, seen))
      .slice(0, mostCleared)
      .map(({ kv }) => removalOf(kv)),
  ]);
}

/** Unless it was put anew meanwhile. */
function removalOf({ key, modRevision }: KeyValue): Op {
  const asRead = compare.mod(key, 'equal', modRevision);
  return { type: 'txn', compare: [asRead], success: [remove(key)], failure: [] };
}

function tooManyVotes({ id }: ConfigProposal, votes: number, verdict: 'approve' | 'reject'): QuorateError {
  const message = `${votes} others have voted on the proposal ${id}; accepted: up to ${mostVotes[verdict]} before one to ${verdict}`;
  return new QuorateError('over-limit', message, {
    details: { proposal: id, votes, limit: mostVotes[verdict] },
  });
}

/** Takes a proposal back. Votes on it are cleared away with the next vote of their voter, or the next publication. */
export async function withdraw(parts: ReviewParts, left: TimeLeft, seen: ConfigProposal): Promise<void> {
  await underProposal(parts, left, seen, [remove(parts.keys.proposal(seen.author, seen.id))]);
}

async function underProposal(
  { client, keys }: ReviewParts,
  left: TimeLeft,
  { author, id, revision }: ConfigProposal,
  success: readonly Op[],
): Promise<void> {
  const asSeen = compare.mod(keys.proposal(author, id), 'equal', revision);
  const request = { compare: [asSeen], success, failure: [] };
  const { succeeded } = await client.store.txn(request, left.all());
  if (succeeded) return;
  const message = `the proposal ${id} is not there any more as it was at revision ${revision}`;
  throw new QuorateError('conflict', message, { details: { proposal: id, revision } });
}

/** What another program has named otherwise than we do can be withdrawn, but a lone surrogate stands in no key. */
function isWritten(name: unknown): boolean {
  return typeof name === 'string' && !/\p{Cs}/u.test(name);
}

/** Refuses with `invalid-argument` what is no proposal. */
export function checkProposal(proposal: unknown): asserts proposal is ConfigProposal {
  const { author, id, revision, layers } = (proposal ?? {}) as Partial<ConfigProposal>;
  const isOne =
    isWritten(author) &&
    isWritten(id) &&
    Number.isSafeInteger(revision) &&
    Array.isArray(layers) &&
    layers.length > 0 &&
    layers.every((layer) => typeof layer?.document === 'string');
  if (isOne) return;
  throw invalidArgument(`a proposal is ${shown(proposal)}`, 'what propose() or list() gave');
}
