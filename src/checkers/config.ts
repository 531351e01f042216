/** Whether a configuration kept its promises: to its readers, to those who changed it, and to those who were to review that. */
import { rememberedIds } from '../config/records/head.js';
import { decodeProposal, decodeVote } from '../config/records/review.js';
import { type Key, prefixRange, textOf } from '../store/index.js';
import { type ConfigCall, checkConfigChanges } from './config-changes.js';
import { checkConfigReaders, type ToldConfig } from './config-readers.js';
import { ConfigState } from './config-state.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

export interface ConfigCheck {
  readonly history: History;
  /** Of all keys of the configuration. */
  readonly prefix: Key;
  /** Names of all documents. */
  readonly documents: readonly string[];
  readonly isValid: (document: string, value: unknown) => boolean;
  readonly readers: readonly ToldConfig[];
  readonly calls: readonly ConfigCall[];
  /** Revisions at which another program wrote into the keys. Default: none. */
  readonly foreign?: ReadonlySet<number>;
  /** Of the readers' clocks. Default 0. */
  readonly clockRateError?: number;
}

export interface ConfigCounts {
  readonly given: number;
  readonly taken: number;
  readonly changes: number;
  readonly untold: number;
  readonly promotions: number;
  readonly aborts: number;
  /** Of rollouts that all instances took already. */
  readonly promotedToAll: number;
  /** Changes that needed a review, and had it. */
  readonly reviewed: number;
  /** Of those, by two others at least. */
  readonly reviewedTwice: number;
}

/**
 * Throws `InvariantBroken` for
 * - CONFIG-1: a document that is not what stood in the store at the revision that the reader was given: half of a change, another layer;
 * - CONFIG-2: an older revision after a newer;
 * - CONFIG-3: a document that its schema refuses;
 * - CONFIG-4: a rollout taken by another than its rules name, or not by one, or lost while it grows;
 * - CONFIG-5: a promotion, or an abort, of another rollout than was seen, or of something else;
 * - CONFIG-6: a change that was applied twice, or as another action, though its caller was told otherwise, or to what it did not expect;
 *   a proposal that was published again;
 * - CONFIG-7: a change without the approvals that the documents asked for;
 * - CONFIG-8: a change that the history of its documents does not have, or has otherwise; history that is missing, or too much;
 * - CONFIG-9: a reader that is older than it tells, or than its sync; a change that does not put the stamp.
 */
export function checkConfig(options: ConfigCheck): ConfigCounts {
  const { history, prefix, documents, calls, foreign = new Set<number>() } = options;
  const state = new ConfigState(history, prefix);
  const changes = checkConfigChanges({ state, documents, calls, foreign });
  const reviewed = checkReviews(state);
  checkWritten(state, options);
  const readers = checkConfigReaders({ ...options, state });
  checkProposedOnce(state);
  return { ...readers, ...changes, ...reviewed };
}

/** CONFIG-3: no change makes of documents that pass their schema for every reader some that do not for one. */
function checkWritten(state: ConfigState, { documents, isValid, foreign }: ConfigCheck): void {
  const isRight = new Map<string, boolean>();
  for (const { revision, events } of state.history.entries) {
    if (!events.some(({ kv }) => kv.key === state.keys.stamp)) continue;
    for (const document of documents) {
      const wrong = wrongScope(state, document, revision, isValid);
      const wasRight = isRight.get(document) ?? true;
      isRight.set(document, wrong === undefined);
      if (wrong === undefined || !wasRight || foreign?.has(revision) === true) continue;
      broken(
        'CONFIG-3',
        `revision ${revision} makes of ${document} for readers of ${wrong} what its schema refuses`,
      );
    }
  }
}

/** A scope whose readers would be given what the schema refuses, with the rollout or without. */
function wrongScope(
  state: ConfigState,
  document: string,
  revision: number,
  isValid: ConfigCheck['isValid'],
): string | undefined {
  const rolled = state.rolloutAt(document, revision)?.layers.map(({ scope }) => scope) ?? [];
  const scopes = ['', ...state.layersAt(document, revision).keys(), ...rolled];
  return scopes.find((scope) =>
    [false, true].some((taken) => {
      const value = state.givenAt(document, revision, { scope, instance: { id: '' } }, taken);
      return value !== undefined && !isValid(document, value);
    }),
  );
}

/** CONFIG-7. Answers how many changes needed a review. */
function checkReviews(state: ConfigState): Pick<ConfigCounts, 'reviewed' | 'reviewedTwice'> {
  let [reviewed, reviewedTwice] = [0, 0];
  for (const { revision } of state.history.entries) {
    for (const [document, { action, rollout, layers, proposal, id }] of state.recordsOf(revision)) {
      const { approvals } = state.policyAt(document, revision - 1);
      const isGiven = action !== 'abort' && action !== 'policy';
      if (approvals === 0 || !isGiven) continue;
      reviewed += 1;
      if (approvals > 1) reviewedTwice += 1;
      const what = `the ${action} ${id} of ${document} at revision ${revision}`;
      if (action === 'promote' || action === 'grow') {
        const approved = state.rolloutAt(document, revision - 1)?.proposal?.approvals.length ?? 0;
        if (approved < approvals)
          broken('CONFIG-7', `${what} is of a rollout that ${approved} have approved`);
        continue;
      }
      if (proposal === undefined) broken('CONFIG-7', `${what} was proposed by nobody`);
      const made = (rollout?.layers ?? layers.map(({ scope, after }) => ({ scope, content: after }))).map(
        ({ scope, content }) => [scope, content && textOf(content)],
      );
      checkProposal(state, { revision, document, approvals, what, made }, proposal);
    }
  }
  return { reviewed, reviewedTwice };
}

/** CONFIG-6: one proposal, one change, for as long as its documents remember it. */
function checkProposedOnce(state: ConfigState): void {
  const published = new Map<string, number>();
  for (const { revision } of state.history.entries) {
    for (const [document, { action, proposal, number }] of state.recordsOf(revision)) {
      if (proposal === undefined || (action !== 'change' && action !== 'rollout')) continue;
      const name = JSON.stringify([document, proposal.author, proposal.id]);
      const before = published.get(name);
      published.set(name, number);
      if (before === undefined || number - before > rememberedIds) continue;
      broken(
        'CONFIG-6',
        `the proposal ${proposal.id} of ${proposal.author} was published as change ${before} of ${document}, and as change ${number}`,
      );
    }
  }
}

interface ReviewedChange {
  readonly revision: number;
  readonly document: string;
  readonly approvals: number;
  readonly what: string;
  /** Scopes, and what was put there. */
  readonly made: readonly (readonly unknown[])[];
}

/** As the keys stood just before it was published. */
function checkProposal(
  { history, keys }: ConfigState,
  { revision, document, approvals, what, made }: ReviewedChange,
  { author, id }: { readonly author: string; readonly id: string },
): void {
  const kv =
    history.valueAt(keys.proposal(author, id), revision - 1) ??
    broken('CONFIG-7', `${what} is of a proposal that does not stand`);
  const proposed = decodeProposal(kv.value)
    .layers.filter((layer) => layer.document === document)
    .map(({ scope, content }) => [scope, content && textOf(content)]);
  if (JSON.stringify(proposed) !== JSON.stringify(made)) {
    broken('CONFIG-7', `${what} is another than was proposed`);
  }
  const verdicts = history.rangeAt(prefixRange(keys.reviews), revision - 1).flatMap((vote) => {
    const parsed = keys.parseReview(vote.key);
    if (parsed?.kind !== 'vote' || parsed.voter === author) return [];
    if (parsed.proposal.id !== id || parsed.proposal.author !== author) return [];
    // One vote of one voter: a key that is spelled in another way is another program's.
    if (keys.vote(parsed.voter, parsed.proposal) !== vote.key) return [];
    const { verdict, revision: seen } = decodeVote(vote.value);
    return seen === kv.modRevision ? [verdict] : [];
  });
  const approved = verdicts.filter((verdict) => verdict === 'approve').length;
  if (approved < approvals) {
    broken('CONFIG-7', `${what} was approved by ${approved} others than ${author}, and not by ${approvals}`);
  }
  if (verdicts.includes('reject')) broken('CONFIG-7', `${what} had been rejected`);
}
