import { invalidArgument, QuorateError } from '../../errors.js';
import { ConfigDocument, type ConfigEdit } from '../document.js';
import type { RolledLayer } from '../records/rollout.js';
import type { Scope } from '../scope.js';
import type { DocumentState, ReadStates } from './document-state.js';

/** An edit whose content is made ready. */
export interface ReadyEdit {
  readonly document: ConfigDocument<unknown>;
  readonly scope: Scope;
  readonly expected: number | undefined;
  readonly content: Uint8Array | undefined;
}

/** Refuses with `invalid-argument` what are no edits, and two of one layer. Rejects where a schema refuses a content. */
export async function readyEdits(edits: ConfigEdit | readonly ConfigEdit[]): Promise<readonly ReadyEdit[]> {
  const all = Array.isArray(edits) ? (edits as readonly ConfigEdit[]) : [edits as ConfigEdit];
  const accepted = 'what set(), overlay() and remove() of documents give, each of another layer';
  if (all.length === 0) throw invalidArgument('there are no edits', accepted);
  const seen = new Set<string>();
  for (const edit of all) {
    if (typeof edit?.bytes !== 'function' || !(edit.document instanceof ConfigDocument)) {
      throw invalidArgument('an edit is none', accepted);
    }
    const layer = JSON.stringify([edit.document.name, edit.scope]);
    if (seen.has(layer)) throw invalidArgument(`two edits of the layer ${layer}`, accepted);
    seen.add(layer);
  }
  return Promise.all(
    all.map(async ({ document, scope, expected, bytes }) => ({
      ...{ document, scope, expected, content: await bytes() },
    })),
  );
}

/** Those of one document, in the order of the edits; and every document once. */
export function byDocument(
  edits: readonly ReadyEdit[],
): ReadonlyMap<ConfigDocument<unknown>, readonly ReadyEdit[]> {
  const grouped = new Map<ConfigDocument<unknown>, ReadyEdit[]>();
  for (const edit of edits) {
    const before = grouped.get(edit.document);
    if (before === undefined) grouped.set(edit.document, [edit]);
    else before.push(edit);
  }
  return grouped;
}

export function contentsOf(edits: readonly ReadyEdit[]): ReadonlyMap<Scope, Uint8Array | undefined> {
  return new Map(edits.map(({ scope, content }) => [scope, content]));
}

/** The same with the revisions that the layers are of now. */
export function rolledLayers(
  edits: readonly ReadyEdit[],
  { revisions }: DocumentState,
): readonly RolledLayer[] {
  return edits.map(({ scope, content }) => ({ scope, content, base: revisions.layer(scope) }));
}

export function stateOf({ states }: ReadStates, name: string): DocumentState {
  return states.get(name) as DocumentState;
}

/** Throws `conflict` for a layer that is not of the revision that it was to be of. */
export function assertExpected(edits: readonly ReadyEdit[], read: ReadStates): void {
  for (const { document, scope, expected } of edits) {
    if (expected === undefined) continue;
    const found = stateOf(read, document.name).revisions.layer(scope);
    if (found === expected) continue;
    const message = `a layer of document ${JSON.stringify(document.name)} is of revision ${found}, not ${expected}`;
    throw new QuorateError('conflict', message, {
      details: { document: document.name, scope, expected, found },
    });
  }
}

/** Throws `review-required` if somebody else would have to approve a change of this document. */
export function assertNeedsNoReview(state: DocumentState): void {
  if (state.policy.approvals > 0) throw reviewRequired(state, 0);
}

export function reviewRequired({ name, policy }: DocumentState, approved: number): QuorateError {
  const message = `changes of document ${JSON.stringify(name)} must be approved by ${policy.approvals}, and ${approved} have`;
  return new QuorateError('review-required', message, {
    details: { document: name, approvals: policy.approvals, approved },
  });
}
