import { checkScope, type Scope } from '../scope.js';
import { type Attribution, attributionIn } from './attribution.js';
import { contentBytes, storedContent } from './content.js';
import { fieldsOf, list, parsedRecord, recordBytes, text, wholeNumber } from './parsing.js';

/** One layer that a proposal would change. */
export interface ProposedLayer {
  readonly document: string;
  readonly scope: Scope;
  /** Undefined: it is removed. */
  readonly content: Uint8Array | undefined;
  /** Revision of the layer that it was made from; 0 for none. */
  readonly base: number;
}

/** The author is the one whose key it is. */
export interface ProposalRecord extends Omit<Attribution, 'author'> {
  readonly layers: readonly ProposedLayer[];
}

/** Who votes, and on which proposal, is in the key. */
export interface VoteRecord extends Omit<Attribution, 'author'> {
  readonly verdict: 'approve' | 'reject';
  /** Revision of the proposal as it was seen: a vote says nothing of what becomes of it later. */
  readonly revision: number;
}

export function encodeProposal({ atMs, reason, layers }: ProposalRecord): Uint8Array {
  return recordBytes({
    ...{ atMs, reason },
    layers: layers.map(({ content, ...layer }) => ({ ...layer, content: storedContent(content) })),
  });
}

/** Throws `codec`. */
export function decodeProposal(bytes: Uint8Array): ProposalRecord {
  return parsedRecord('proposal', bytes, (fields) => {
    const { atMs, reason } = attributionIn({ ...fields, author: '' });
    const layers = list(fields['layers']).map((layer) => {
      const { document, scope, base, content } = fieldsOf(layer);
      checkScope(scope);
      return { document: text(document), scope, base: wholeNumber(base), content: contentBytes(content) };
    });
    const distinct = new Set(layers.map(({ document, scope }) => JSON.stringify([document, scope])));
    if (distinct.size === 0 || distinct.size < layers.length) throw new TypeError('no layer, or one twice');
    return { atMs, reason, layers };
  });
}

export function encodeVote(vote: VoteRecord): Uint8Array {
  return recordBytes(vote);
}

/** Throws `codec`. */
export function decodeVote(bytes: Uint8Array): VoteRecord {
  return parsedRecord('vote', bytes, (fields) => {
    const { atMs, reason } = attributionIn({ ...fields, author: '' });
    const { verdict, revision } = fields;
    if (verdict !== 'approve' && verdict !== 'reject') throw new TypeError('no verdict');
    return { atMs, reason, verdict, revision: wholeNumber(revision) };
  });
}
