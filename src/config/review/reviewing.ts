import { invalidArgument, QuorateError, shown } from '../../errors.js';
import type { TimeLeft } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, getPrefix, prefixRange, put, remove } from '../../store/index.js';
import { checkPlan } from '../editing/commit-change.js';
import { kvsIn, readOnly, readStates } from '../editing/document-state.js';
import { assertExpected, byDocument, contentsOf, type ReadyEdit, stateOf } from '../editing/edits.js';
import type { ConfigKeys } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import { decodeProposal, encodeProposal, encodeVote, type ProposalRecord } from '../records/review.js';
import { type ConfigProposal, reviewsIn } from './proposals.js';

/** Proposals of all authors together that may wait for their review. */
const mostOpen = 500;

export interface ReviewParts {
  readonly client: Client;
  readonly keys: ConfigKeys;
}

/** Puts a proposal, once for its id. Throws `over-limit`, and what a change would be refused for now. */
export async function propose(
  { client, keys }: ReviewParts,
  left: TimeLeft,
  edits: readonly ReadyEdit[],
  { id, by }: { readonly id: string; readonly by: Attribution },
): Promise<ConfigProposal> {
  const { author, atMs, reason } = by;
  const grouped = byDocument(edits);
  const documents = [...grouped.keys()];
  const count = { ...getPrefix(keys.reviews), keysOnly: true };
  const names = documents.map(({ name }) => name);
  const key = keys.proposal(author, id);
  const read = await readStates(client, keys, names, [get(key), count], left.all());
  const [[standing] = [], reviews = []] = read.extra;
  if (standing !== undefined) return { ...proposed(author, id, standing), votes: [] };
  const open = reviews.filter((kv) => keys.parseReview(kv.key)?.kind === 'proposal').length;
  if (open >= mostOpen) {
    throw new QuorateError(
      'over-limit',
      `${open} proposals wait for their review: publish or withdraw some`,
      {
        details: { limit: mostOpen },
      },
    );
  }
  assertExpected(edits, read);
  const plans = [...grouped].map(([{ name }, own]) => ({ name, layers: contentsOf(own), told: {} }));
  await checkPlan({ client, left }, documents, read, { documents: plans });
  const layers = edits.map(({ document: { name: document }, scope, content }) => ({
    ...{ document, scope, content, base: stateOf(read, document).revisions.layer(scope) },
  }));
  const record: ProposalRecord = { atMs, reason, layers };
  const request = {
    compare: [compare.create(key, 'equal', 0)],
    success: [put(key, encodeProposal(record))],
    failure: [get(key)],
  };
  const { succeeded, revision, replies } = await client.store.txn(request, left.all());
  if (succeeded) return { ...record, author, id, revision, votes: [] };
  const [found] = kvsIn(replies[0]);
  if (found === undefined) throw new QuorateError('conflict', `the proposal ${id} came and went`);
  return { ...proposed(author, id, found), votes: [] };
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

/** Votes on a proposal as it was seen. Throws `conflict` if it is another by now, or gone. */
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
  const record = encodeVote({ atMs, reason, verdict, revision });
  await underProposal(parts, left, seen, put(parts.keys.vote(voter, seen), record));
}

/** Takes a proposal back. Votes on it are cleared away with the next publication. */
export async function withdraw(parts: ReviewParts, left: TimeLeft, seen: ConfigProposal): Promise<void> {
  await underProposal(parts, left, seen, remove(parts.keys.proposal(seen.author, seen.id)));
}

async function underProposal(
  { client, keys }: ReviewParts,
  left: TimeLeft,
  { author, id, revision }: ConfigProposal,
  write: ReturnType<typeof put> | ReturnType<typeof remove>,
): Promise<void> {
  const asSeen = compare.mod(keys.proposal(author, id), 'equal', revision);
  const request = { compare: [asSeen], success: [write], failure: [] };
  const { succeeded } = await client.store.txn(request, left.all());
  if (succeeded) return;
  const message = `the proposal ${id} is not there any more as it was at revision ${revision}`;
  throw new QuorateError('conflict', message, { details: { proposal: id, revision } });
}

/** Refuses with `invalid-argument` what is no proposal. */
export function checkProposal(proposal: unknown): asserts proposal is ConfigProposal {
  const { author, id, revision, layers } = (proposal ?? {}) as Partial<ConfigProposal>;
  const isOne = typeof author === 'string' && typeof id === 'string' && Array.isArray(layers);
  if (isOne && typeof revision === 'number') return;
  throw invalidArgument(`a proposal is ${shown(proposal)}`, 'what propose() or proposals() gave');
}

function proposed(
  author: string,
  id: string,
  kv: { readonly value: Uint8Array; readonly modRevision: number },
): Omit<ConfigProposal, 'votes'> {
  return { ...decodeProposal(kv.value), author, id, revision: kv.modRevision };
}
