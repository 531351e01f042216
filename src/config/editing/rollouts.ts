import { invalidArgument, QuorateError, shown } from '../../errors.js';
import type { ConfigDocument } from '../document.js';
import type { Attribution } from '../records/attribution.js';
import type { HistoryRecord } from '../records/history.js';
import type { ReviewedProposal } from '../records/reviewed-proposal.js';
import type { RolloutRecord } from '../records/rollout.js';
import { grown, nobody, type RolloutRule, type StoredRule } from '../rollout/rule.js';
import type { Scope } from '../scope.js';
import type { DocumentState, ReadStates } from './document-state.js';
import { byDocument, type ReadyEdit, reviewRequired, rolledLayers, stateOf } from './edits.js';
import type { ChangePlan } from './plan.js';

/** A rollout as it was seen. It is handed back to grow, promote or abort it: what has become another since is left alone. */
export interface ConfigRollout extends Attribution {
  readonly id: string;
  /** Of its last change. */
  readonly revision: number;
  /** The names of its documents. */
  readonly documents: readonly string[];
  /** Who takes it. */
  readonly rule: StoredRule;
}

export function rolloutIn({ rollout, revisions }: DocumentState): ConfigRollout | undefined {
  if (rollout === undefined) return undefined;
  const { id, documents, rule, author, atMs, reason } = rollout;
  return { id, revision: revisions.rollout, documents, rule, author, atMs, reason };
}

/** A rollout of these edits. Throws `conflict` where there is one already. */
export function planRollout(
  edits: readonly ReadyEdit[],
  rule: RolloutRule,
  read: ReadStates,
  made: { readonly id: string; readonly by: Attribution; readonly proposal?: ReviewedProposal },
): ChangePlan {
  const grouped = byDocument(edits);
  const documents = [...grouped.keys()].map(({ name }) => name);
  const { id, by, proposal } = made;
  return {
    action: 'rollout',
    ...(proposal === undefined ? {} : { proposal }),
    documents: [...grouped].map(([{ name }, own]) => {
      const state = stateOf(read, name);
      if (state.rollout !== undefined) {
        const message = `the rollout ${state.rollout.id} of document ${JSON.stringify(name)} goes on: promote it, or abort it`;
        throw new QuorateError('conflict', message, {
          details: { document: name, rollout: state.rollout.id },
        });
      }
      const layers = rolledLayers(own, state);
      const rollout: RolloutRecord = {
        ...{ ...by, id, documents, layers, rule: grown(nobody, rule) },
        ...(proposal === undefined ? {} : { proposal }),
      };
      return { name, layers: new Map(), rollout, told: { rollout: toldOf(rollout) } };
    }),
  };
}

/** The same rollout, for more. */
export function planGrowth(seen: ConfigRollout, more: RolloutRule, read: ReadStates): ChangePlan {
  const documents = seen.documents.map((name) => {
    const rollout = reviewed(seen, stateOf(read, name));
    const wider: RolloutRecord = { ...rollout, rule: grown(rollout.rule, more) };
    return { name, layers: new Map(), rollout: wider, told: { rollout: toldOf(wider) } };
  });
  return { action: 'grow', documents, isUnchecked: true };
}

/** What it gave to some is for all. */
export function planPromotion(seen: ConfigRollout, read: ReadStates): ChangePlan {
  let proposal: ReviewedProposal | undefined;
  const documents = seen.documents.map((name) => {
    const state = stateOf(read, name);
    const rollout = reviewed(seen, state);
    proposal ??= rollout.proposal;
    const layers = new Map<Scope, Uint8Array | undefined>();
    for (const { scope, content, base } of rollout.layers) {
      const found = state.revisions.layer(scope);
      if (found !== base) throw changedUnderneath(name, scope, { base, found });
      layers.set(scope, content);
    }
    return { name, layers, rollout: null, told: { rollout: toldOf(rollout) } };
  });
  return { action: 'promote', documents, ...(proposal === undefined ? {} : { proposal }) };
}

/** All readers are given what those are who did not take it. */
export function planAbort(seen: ConfigRollout, read: ReadStates): ChangePlan {
  const documents = seen.documents.map((name) => {
    const rollout = standing(seen, stateOf(read, name));
    return { name, layers: new Map(), rollout: null, told: { rollout: toldOf(rollout) } };
  });
  return { action: 'abort', documents, isUnchecked: true };
}

/** The documents of a rollout, of those that are known. Throws `invalid-argument`. */
export function documentsOf(
  seen: ConfigRollout,
  known: readonly ConfigDocument<unknown>[],
): readonly ConfigDocument<unknown>[] {
  const { id, revision, documents, rule } = (seen ?? {}) as Partial<ConfigRollout>;
  const isOne =
    typeof id === 'string' && Number.isSafeInteger(revision) && Array.isArray(documents) && isRule(rule);
  if (!isOne || documents.length === 0) {
    throw invalidArgument(`a rollout is ${shown(seen)}`, 'what start(), grow() or of() gave');
  }
  return documents.map((name: string) => {
    const found = known.find((document) => document.name === name);
    if (found !== undefined) return found;
    throw invalidArgument(`the rollout ${id} is of document ${name} too`, 'the documents of this editor');
  });
}

function isRule(rule: Partial<StoredRule> | undefined): boolean {
  const { instances, addresses, labels, percent } = rule ?? {};
  const isListed = [instances, addresses, labels].every(Array.isArray) && typeof percent === 'number';
  return isListed && labels?.every((one) => typeof one === 'object' && one !== null) === true;
}

/** It is as it was seen. Throws `conflict`. */
function standing(seen: ConfigRollout, { name, rollout, revisions }: DocumentState): RolloutRecord {
  if (rollout?.id === seen.id && revisions.rollout === seen.revision) return whole(seen, rollout);
  const message =
    rollout?.id === seen.id
      ? `the rollout ${seen.id} was changed at revision ${revisions.rollout}, and was seen at ${seen.revision}`
      : `the rollout ${seen.id} of document ${JSON.stringify(name)} is over`;
  throw new QuorateError('conflict', message, {
    details: { document: name, rollout: rollout?.id, revision: revisions.rollout },
  });
}

/** It is of all of its documents that it goes on, and ends. */
function whole(seen: ConfigRollout, rollout: RolloutRecord): RolloutRecord {
  const { id, documents } = rollout;
  if (documents.length === seen.documents.length && documents.every((one) => seen.documents.includes(one))) {
    return rollout;
  }
  throw invalidArgument(
    `the rollout ${id} is of the documents ${documents.join(', ')}`,
    'what start(), grow() or of() gave',
  );
}

/** And approved by as many as the document asks for by now. Throws `conflict` and `review-required`. */
function reviewed(seen: ConfigRollout, state: DocumentState): RolloutRecord {
  const rollout = standing(seen, state);
  const approved = rollout.proposal?.approvals.length ?? 0;
  if (approved >= state.policy.approvals) return rollout;
  throw reviewRequired(state, approved);
}

function changedUnderneath(
  name: string,
  scope: Scope,
  { base, found }: { readonly base: number; readonly found: number },
): QuorateError {
  const message = `document ${JSON.stringify(name)} was changed beside the rollout: abort it, and begin one of what is there now`;
  return new QuorateError('conflict', message, { details: { document: name, scope, expected: base, found } });
}

function toldOf({ id, rule, layers }: RolloutRecord): NonNullable<HistoryRecord['rollout']> {
  return { id, rule, layers: layers.map(({ scope, content }) => ({ scope, content })) };
}
