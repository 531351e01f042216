import { invalidArgument, QuorateError } from '../../errors.js';
import { Backoff, type TimeLeft } from '../../runtime/index.js';
import { compare, get, getPrefix, type KeyValue, put } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import { isOf } from '../editing/asked.js';
import { checkPlan } from '../editing/commit-change.js';
import { type ReadStates, readStates } from '../editing/document-state.js';
import { assertExpected, byDocument, contentsOf, type ReadyEdit, stateOf } from '../editing/edits.js';
import type { ConfigKeys, ReviewedKey } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import { decodeProposal, encodeProposal, type ProposalRecord } from '../records/review.js';
import { type ConfigProposal, isSame } from './proposals.js';
import { assertPublishable } from './publishable.js';
import type { ReviewParts } from './reviewing.js';

/** Proposals of all authors together that may wait for their review. */
const mostOpen = 500;
const retryDelay = { firstMs: 5, longestMs: 500 };

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

function proposed(author: string, id: string, { value, modRevision }: KeyValue): ConfigProposal {
  return { ...decodeProposal(value), author, id, revision: modRevision, votes: [] };
}
