import { invalidArgument, QuorateError, shown } from '../../errors.js';
import { Backoff, type TimeLeft } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import {
  compare,
  get,
  getPrefix,
  type KeyValue,
  type Op,
  prefixRange,
  put,
  remove,
} from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import { isOf } from '../editing/asked.js';
import { checkPlan } from '../editing/commit-change.js';
import { type ReadStates, readOnly, readStates } from '../editing/document-state.js';
import { assertExpected, byDocument, contentsOf, type ReadyEdit, stateOf } from '../editing/edits.js';
import type { ConfigKeys, ReviewedKey } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import { decodeProposal, encodeProposal, encodeVote, type ProposalRecord } from '../records/review.js';
import { type ConfigProposal, isSame, reviewsIn } from './proposals.js';
import { assertPublishable } from './publishable.js';

/** Proposals of all authors together that may wait for their review. */
const mostOpen = 500;
/** Votes on one proposal. A rejection is counted apart: however many approve, there is room to object. */
const mostVotes = { approve: 64, reject: 128 } as const;
/** So many votes of a voter's own on what is not there any more are cleared away with a vote. */
const mostCleared = 32;

const retryDelay = { firstMs: 5, longestMs: 500 };

export interface ReviewParts {
  readonly client: Client;
  readonly keys: ConfigKeys;
}

/**
 * Puts a proposal, once for its id. Throws `over-limit`; `conflict` if one of this id was published; and what a change would be
 * refused for now, or its publication later.
 */
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
  const backoff = new Backoff(client.runtime, retryDelay);
  for (let attempts = 0; ; attempts += 1) {
    if (attempts > 0) await left.pause(backoff.nextMs());
    const read = await readStates(client, keys, names, [get(key), count], left.all());
    const [[standing] = [], reviews = []] = read.extra;
    if (standing !== undefined) return sameProposal(edits, documents, proposed(author, id, standing));
    assertNotPublished(read, { author, id });
    assertRoom(keys, reviews);
    assertExpected(edits, read);
    const plans = [...grouped].map(([{ name }, own]) => ({ name, layers: contentsOf(own), told: {} }));
    await checkPlan({ client, left }, documents, read, { documents: plans });
    const layers = edits.map(({ document: { name: document }, scope, content }) => ({
      ...{ document, scope, content, base: stateOf(read, document).revisions.layer(scope) },
    }));
    const record: ProposalRecord = { atMs, reason, layers };
    assertPublishable({ keys, author, id, record, documents }, read);
    const asRead = names.map((name) =>
      compare.mod(keys.head(name), 'equal', stateOf(read, name).revisions.head),
    );
    const request = {
      compare: [compare.create(key, 'equal', 0), ...asRead],
      success: [put(key, encodeProposal(record))],
      failure: [],
    };
    const { succeeded, revision } = await client.store.txn(request, left.all());
    if (succeeded) return { ...record, author, id, revision, votes: [] };
  }
}

/** What stands under the id, if it is what is proposed. Throws `invalid-argument` if it is not. */
function sameProposal(
  edits: readonly ReadyEdit[],
  documents: readonly ConfigDocument<unknown>[],
  standing: ConfigProposal,
): ConfigProposal {
  const isSame =
    standing.layers.length === edits.length &&
    documents.every((document) =>
      isOf(
        document,
        edits,
        standing.layers.filter((layer) => layer.document === document.name),
      ),
    );
  if (isSame) return standing;
  const what = `another proposal of ${standing.author} stands under the id ${standing.id}`;
  throw invalidArgument(what, 'an id of its own, or the same edits');
}

function assertNotPublished({ states }: ReadStates, { author, id }: ReviewedKey): void {
  for (const { name, head } of states.values()) {
    const found = head.recent.find(
      ({ proposal }) => proposal !== undefined && isSame(proposal, { author, id }),
    );
    if (found === undefined) continue;
    const message = `the proposal ${id} was published already, as change ${found.number} of document ${JSON.stringify(name)}`;
    throw new QuorateError('conflict', message, {
      details: { proposal: id, change: found.id, document: name, number: found.number },
    });
  }
}

function assertRoom(keys: ConfigKeys, reviews: readonly KeyValue[]): void {
  const open = reviews.filter((kv) => keys.parseReview(kv.key)?.kind === 'proposal').length;
  if (open < mostOpen) return;
  const message = `${open} proposals wait for their review: publish or withdraw some`;
  throw new QuorateError('over-limit', message, { details: { limit: mostOpen } });
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

/** Refuses with `invalid-argument` what is no proposal. */
export function checkProposal(proposal: unknown): asserts proposal is ConfigProposal {
  const { author, id, revision, layers } = (proposal ?? {}) as Partial<ConfigProposal>;
  const isOne =
    typeof author === 'string' &&
    typeof id === 'string' &&
    Number.isSafeInteger(revision) &&
    Array.isArray(layers) &&
    layers.length > 0 &&
    layers.every((layer) => typeof layer?.document === 'string');
  if (isOne) return;
  throw invalidArgument(`a proposal is ${shown(proposal)}`, 'what propose() or list() gave');
}

function proposed(author: string, id: string, { value, modRevision }: KeyValue): ConfigProposal {
  return { ...decodeProposal(value), author, id, revision: modRevision, votes: [] };
}
