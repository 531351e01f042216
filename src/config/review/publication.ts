import { invalidArgument, QuorateError } from '../../errors.js';
import { compare, getPrefix, prefixRange, remove } from '../../store/index.js';
import type { ConfigDocument } from '../document.js';
import type { ReadStates } from '../editing/document-state.js';
import { byDocument, contentsOf, type ReadyEdit, reviewRequired, stateOf } from '../editing/edits.js';
import { mostApprovals } from '../editing/limits.js';
import type { ChangePlan } from '../editing/plan.js';
import { planRollout } from '../editing/rollouts.js';
import type { ConfigKeys } from '../keys.js';
import type { Attribution } from '../records/attribution.js';
import type { ReviewedProposal } from '../records/reviewed-proposal.js';
import type { RolloutRule } from '../rollout/rule.js';
import { approvalsOf, type ConfigProposal, reviewsIn } from './proposals.js';

/** So many votes on what is not there any more are cleared away by a publication. */
const mostOrphans = 32;

/** What a publication must read beside the documents. */
export function reviewRange(keys: ConfigKeys) {
  return getPrefix(keys.reviews);
}

export interface PublicationParts {
  readonly keys: ConfigKeys;
  readonly seen: Pick<ConfigProposal, 'author' | 'id' | 'revision'>;
  readonly documents: readonly ConfigDocument<unknown>[];
  /** For some first; undefined: for all. */
  readonly rule: RolloutRule | undefined;
  readonly made: { readonly id: string; readonly by: Attribution };
}

/**
 * The change that a proposal is, if it stands as it was seen and as many as each of its documents asks for have approved it, and
 * nobody rejects it. What was judged is guarded: the proposal and the approvals by their revisions, and by the whole of the
 * reviews having nothing newer, what nobody had said then. As many approvals count, and are written down, as a policy can ask for.
 * Throws `conflict` and `review-required`; `codec` for a proposal that cannot be read.
 */
export function planPublication(
  { keys, seen, documents, rule, made }: PublicationParts,
  read: ReadStates,
): ChangePlan {
  const { proposals, orphans, unreadable } = reviewsIn(keys, read.extra[0] ?? []);
  if (unreadable.includes(keys.proposal(seen.author, seen.id))) throw cannotBeRead(seen);
  const proposal = proposals.find(({ id, author }) => id === seen.id && author === seen.author);
  if (proposal === undefined || proposal.revision !== seen.revision) throw isAnother(seen, proposal);
  assertDocuments(proposal, documents);
  const approvals = approvalsOf(proposal).slice(0, mostApprovals);
  const rejection = proposal.votes.find(({ verdict }) => verdict === 'reject');
  if (rejection !== undefined) throw rejected(proposal, rejection.author);
  const edits = editsOf(proposal, documents);
  for (const { name } of byDocument(edits).keys()) {
    const state = stateOf(read, name);
    if (approvals.length < state.policy.approvals) throw reviewRequired(state, approvals.length);
  }
  const reviewed: ReviewedProposal = {
    ...{ id: proposal.id, author: proposal.author, atMs: proposal.atMs, reason: proposal.reason },
    approvals: approvals.map(({ author, atMs, reason }) => ({ author, atMs, reason })),
  };
  assertBases(proposal, read);
  const voters = proposal.votes.map(({ author }) => keys.vote(author, proposal));
  const guards = approvals.map(({ author, revision }) =>
    compare.mod(keys.vote(author, proposal), 'equal', revision),
  );
  return {
    ...(rule === undefined
      ? planChange(edits, reviewed)
      : planRollout(edits, rule, read, { ...made, proposal: reviewed })),
    compare: [
      compare.mod(keys.proposal(proposal.author, proposal.id), 'equal', proposal.revision),
      ...guards,
      compare.mod(prefixRange(keys.reviews), 'less', read.revision + 1),
    ],
    also: [remove(keys.proposal(proposal.author, proposal.id))],
    ifRoom: [...voters, ...orphans.slice(0, mostOrphans)].map((key) => remove(key)),
  };
}

function planChange(edits: readonly ReadyEdit[], proposal: ReviewedProposal): ChangePlan {
  const documents = [...byDocument(edits)].map(([{ name }, own]) => ({
    ...{ name, layers: contentsOf(own), told: {} },
  }));
  return { action: 'change', documents, proposal };
}

function editsOf(
  { layers }: ConfigProposal,
  documents: readonly ConfigDocument<unknown>[],
): readonly ReadyEdit[] {
  return layers.map(({ document: name, scope, content, base }) => {
    const document = documents.find((one) => one.name === name) as ConfigDocument<unknown>;
    return { document, scope, content, expected: base };
  });
}

/** Those who call name the documents by what they say that they have seen. */
function assertDocuments(proposal: ConfigProposal, documents: readonly ConfigDocument<unknown>[]): void {
  const names = new Set(proposal.layers.map(({ document }) => document));
  const isOfThese = documents.length === names.size && documents.every(({ name }) => names.has(name));
  if (isOfThese) return;
  const what = `the proposal ${proposal.id} is of the documents ${[...names].join(', ')}`;
  throw invalidArgument(what, 'a proposal as propose() or list() gave it');
}

/** What was approved was made from this, and replaces nothing else. */
function assertBases(proposal: ConfigProposal, read: ReadStates): void {
  for (const { document, scope, base } of proposal.layers) {
    const found = stateOf(read, document).revisions.layer(scope);
    if (found === base) continue;
    const message = `document ${JSON.stringify(document)} was changed since ${proposal.id} was proposed: propose it anew`;
    throw new QuorateError('conflict', message, { details: { document, scope, expected: base, found } });
  }
}

function isAnother({ id }: { readonly id: string }, found: ConfigProposal | undefined): QuorateError {
  const what = found === undefined ? 'is not there any more' : `is another since revision ${found.revision}`;
  return new QuorateError('conflict', `the proposal ${id} ${what}`, { details: { proposal: id } });
}

function cannotBeRead({ id }: { readonly id: string }): QuorateError {
  const message = `the proposal ${id} cannot be read: was it written by another program?`;
  return new QuorateError('codec', message, { details: { proposal: id } });
}

function rejected({ id }: ConfigProposal, by: string): QuorateError {
  return new QuorateError('review-required', `${by} rejects the proposal ${id}`, {
    details: { proposal: id, rejectedBy: by },
  });
}
