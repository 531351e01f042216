import type { KeyValue } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ReadStates } from '../editing/document-state.js';
import { assertFits, mostApprovals } from '../editing/limits.js';
import { requestFor } from '../editing/request.js';
import { latest, longestAttribution, longestId, readLater } from '../editing/worst-case.js';
import type { ConfigKeys } from '../keys.js';
import { encodeProposal, encodeVote, type ProposalRecord } from '../records/review.js';
import { planPublication } from './publication.js';

export interface ProposedParts {
  readonly keys: ConfigKeys;
  readonly author: string;
  readonly id: string;
  readonly record: ProposalRecord;
  readonly documents: readonly ConfigDocument<unknown>[];
}

/**
 * Throws `request-too-large` or `too-many-operations` where what is proposed could not be published for all, by whomever, and approved by
 * as many as a policy can ask for.
 */
export function assertPublishable(
  { keys, author, id, record, documents }: ProposedParts,
  read: ReadStates,
): void {
  const seen = { author, id, revision: latest };
  const votes = Array.from({ length: mostApprovals }, (_none, index) => {
    const { author: voter, atMs, reason } = longestAttribution(index);
    const value = encodeVote({ atMs, reason, verdict: 'approve', revision: latest });
    return kvOf(keys.vote(voter, seen), value);
  });
  const reviews = [kvOf(keys.proposal(author, id), encodeProposal(record)), ...votes];
  const later = readLater(read, () => ({}), [reviews]);
  const by = longestAttribution();
  const made = { id: longestId, by };
  const plan = planPublication({ keys, seen, documents, rule: undefined, made }, later);
  const request = requestFor({ keys, read: later, plan, ...made });
  assertFits(request, 'publishing this', 'propose fewer layers, or less content, at a time');
}

function kvOf(key: string, value: Uint8Array): KeyValue {
  return { key, value, createRevision: latest, modRevision: latest, version: 1, lease: '0' };
}
