import type { StoredRule } from '../rollout/rule.js';
import type { Scope } from '../scope.js';
import { type Attribution, attributionIn } from './attribution.js';
import { contentBytes, storedContent } from './content.js';
import { fieldsOf, list, parsedRecord, recordBytes, text, texts, wholeNumber } from './parsing.js';
import { proposalIn, type ReviewedProposal } from './reviewed-proposal.js';

/** What a rollout puts in the place of a layer. */
export interface RolledLayer {
  readonly scope: Scope;
  /** Undefined: the layer is removed. */
  readonly content: Uint8Array | undefined;
  /** Revision of the layer that it is to replace; 0 for none. */
  readonly base: number;
}

/** A rollout of one document, under the document's rollout key. One of several documents has a key for each of them. */
export interface RolloutRecord extends Attribution {
  readonly id: string;
  /** All of its documents. */
  readonly documents: readonly string[];
  readonly rule: StoredRule;
  readonly layers: readonly RolledLayer[];
  /** What was approved, if it came of a proposal. */
  readonly proposal?: ReviewedProposal;
}

export function encodeRollout({ layers, ...known }: RolloutRecord): Uint8Array {
  return recordBytes({
    ...known,
    layers: layers.map(({ scope, base, content }) => ({ scope, base, content: storedContent(content) })),
  });
}

/** Throws `codec`. */
export function decodeRollout(bytes: Uint8Array): RolloutRecord {
  return parsedRecord('rollout', bytes, ({ proposal, ...fields }) => ({
    ...attributionIn(fields),
    ...(proposal === undefined ? {} : { proposal: proposalIn(fieldsOf(proposal)) }),
    id: text(fields['id']),
    documents: texts(fields['documents']),
    rule: ruleIn(fieldsOf(fields['rule'])),
    layers: list(fields['layers']).map((layer) => {
      const { scope, base, content } = fieldsOf(layer);
      return { scope: text(scope), base: wholeNumber(base), content: contentBytes(content) };
    }),
  }));
}

export function ruleIn(fields: Readonly<Record<string, unknown>>): StoredRule {
  const percent = fields['percent'];
  if (typeof percent !== 'number') throw new TypeError('no percentage');
  return {
    instances: texts(fields['instances']),
    addresses: texts(fields['addresses']),
    labels: list(fields['labels']).map((labels) =>
      Object.fromEntries(Object.entries(fieldsOf(labels)).map(([name, value]) => [name, text(value)])),
    ),
    percent,
  };
}
