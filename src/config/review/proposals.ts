import type { Key, KeyValue } from '../../store/index.js';
import type { ConfigKeys, ReviewedKey } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import { decodeProposal, decodeVote, type ProposedLayer } from '../records/review.js';

/** What somebody has said of a proposal. */
export interface ConfigVote extends Attribution {
  readonly verdict: 'approve' | 'reject';
  /** Revision of the vote. */
  readonly revision: number;
}

/** A change that waits for its review, as it was seen. */
export interface ConfigProposal extends Attribution {
  readonly id: string;
  /** Of its key: votes, and the publication, are of what stood there then. */
  readonly revision: number;
  readonly layers: readonly ProposedLayer[];
  /** Those that are about it as it is, of others than its author. */
  readonly votes: readonly ConfigVote[];
}

export interface Reviews {
  readonly proposals: readonly ConfigProposal[];
  /** Votes on what is not there any more. */
  readonly orphans: readonly string[];
  /** Keys of proposals that cannot be read. */
  readonly unreadable: readonly Key[];
}

/** Everything under review, of what stands there. A vote that cannot be read is left out: it approves nothing. */
export function reviewsIn(keys: ConfigKeys, kvs: readonly KeyValue[]): Reviews {
  const proposals: ConfigProposal[] = [];
  const votes: StandingVote[] = [];
  const unreadable: Key[] = [];
  const standing: ReviewedKey[] = [];
  for (const { key, value, modRevision: revision } of kvs) {
    const parsed = keys.parseReview(key);
    if (parsed === undefined) continue;
    const { proposal } = parsed;
    if (parsed.kind === 'proposal') standing.push(proposal);
    try {
      if (parsed.kind === 'proposal') {
        proposals.push({ ...decodeProposal(value), ...proposal, revision, votes: [] });
      } else {
        const { revision: about, ...vote } = decodeVote(value);
        votes.push({ proposal, about, key, vote: { ...vote, author: parsed.voter, revision } });
      }
    } catch {
      // Written by another program.
      if (parsed.kind === 'proposal') unreadable.push(key);
    }
  }
  return {
    proposals: proposals.map((proposal) => ({
      ...proposal,
      votes: votes
        .filter((one) => isSame(one.proposal, proposal))
        .filter(({ about, vote }) => about === proposal.revision && vote.author !== proposal.author)
        .map(({ vote }) => vote),
    })),
    orphans: votes
      .filter((one) => !standing.some((proposal) => isSame(one.proposal, proposal)))
      .map(({ key }) => key),
    unreadable,
  };
}

interface StandingVote {
  readonly proposal: ReviewedKey;
  /** Revision of the proposal that it is about. */
  readonly about: number;
  readonly key: Key;
  readonly vote: ConfigVote;
}

/** Two authors may have proposals of one id. */
export function isSame(one: ReviewedKey, other: ReviewedKey): boolean {
  return one.id === other.id && one.author === other.author;
}

/** One of each who approves. */
export function approvalsOf({ votes }: Pick<ConfigProposal, 'votes'>): readonly ConfigVote[] {
  const approvals = votes.filter(({ verdict }) => verdict === 'approve');
  return [...new Map(approvals.map((vote) => [vote.author, vote])).values()];
}
