import type { StoredRule } from '../rollout/rule.js';
import type { Scope } from '../scope.js';
import { type Attribution, attributionIn } from './attribution.js';
import { contentBytes, storedContent } from './content.js';
import { fieldsOf, list, parsedRecord, recordBytes, text, texts, wholeNumber } from './parsing.js';
import type { ConfigPolicy } from './policy.js';
import { proposalIn, type ReviewedProposal } from './reviewed-proposal.js';
import { ruleIn } from './rollout.js';

export const configActions = ['change', 'rollback', 'rollout', 'grow', 'promote', 'abort', 'policy'] as const;

/** What was done to a document. */
export type ConfigAction = (typeof configActions)[number];

/** A layer before a change and after it. Undefined: there was none. */
export interface ChangedLayer {
  readonly scope: Scope;
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array | undefined;
}

export interface HistoryRecord extends Attribution {
  readonly number: number;
  readonly action: ConfigAction;
  /** Of the change, the same for all documents of it. */
  readonly id: string;
  /** All documents that were changed together. */
  readonly documents: readonly string[];
  /** What readers who take no rollout were given, before and after. */
  readonly layers: readonly ChangedLayer[];
  /** The rollout that was begun, grown, promoted or aborted, as it was then. */
  readonly rollout?: {
    readonly id: string;
    readonly rule: StoredRule;
    readonly layers: readonly { readonly scope: Scope; readonly content: Uint8Array | undefined }[];
  };
  readonly proposal?: ReviewedProposal;
  /** Of a rollback: the number of the change after which the document was as it is again. */
  readonly rolledBackTo?: number;
  readonly policy?: ConfigPolicy;
}

export function encodeHistory({ layers, rollout, ...known }: HistoryRecord): Uint8Array {
  return recordBytes({
    ...known,
    layers: layers.map(({ scope, before, after }) => ({
      ...{ scope, before: storedContent(before), after: storedContent(after) },
    })),
    ...(rollout === undefined
      ? {}
      : {
          rollout: {
            ...rollout,
            layers: rollout.layers.map(({ scope, content }) => ({ scope, content: storedContent(content) })),
          },
        }),
  });
}

/** Throws `codec`. */
export function decodeHistory(bytes: Uint8Array): HistoryRecord {
  return parsedRecord('history of a document', bytes, (fields) => {
    const { rollout, proposal, rolledBackTo, policy } = fields;
    const action = configActions.find((known) => known === fields['action']);
    if (action === undefined) throw new TypeError('no action');
    return {
      ...attributionIn(fields),
      ...{ action, number: wholeNumber(fields['number']), id: text(fields['id']) },
      documents: texts(fields['documents']),
      layers: list(fields['layers']).map((layer) => {
        const { scope, before, after } = fieldsOf(layer);
        return { scope: text(scope), before: contentBytes(before), after: contentBytes(after) };
      }),
      ...(rollout === undefined ? {} : { rollout: rolloutIn(fieldsOf(rollout)) }),
      ...(proposal === undefined ? {} : { proposal: proposalIn(fieldsOf(proposal)) }),
      ...(rolledBackTo === undefined ? {} : { rolledBackTo: wholeNumber(rolledBackTo) }),
      ...(policy === undefined ? {} : { policy: policyIn(fieldsOf(policy)) }),
    };
  });
}

function rolloutIn({ id, rule, layers }: Readonly<Record<string, unknown>>) {
  return {
    ...{ id: text(id), rule: ruleIn(fieldsOf(rule)) },
    layers: list(layers).map((layer) => {
      const { scope, content } = fieldsOf(layer);
      return { scope: text(scope), content: contentBytes(content) };
    }),
  };
}

function policyIn({ approvals, keep }: Readonly<Record<string, unknown>>): ConfigPolicy {
  return { approvals: wholeNumber(approvals), keep: wholeNumber(keep) };
}
