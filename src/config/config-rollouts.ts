import type { WaitOptions } from '../runtime/index.js';
import type { ConfigDocument, ConfigEdit } from './document.js';
import { askedEnd, askedGrowth, askedRollout } from './editing/asked.js';
import type { ConfigChange } from './editing/commit-change.js';
import type { ReadStates } from './editing/document-state.js';
import type { ChangeOptions, EditorCore } from './editing/editor-core.js';
import { assertExpected, assertNeedsNoReview, byDocument, stateOf } from './editing/edits.js';
import {
  type ConfigRollout,
  documentsOf,
  planAbort,
  planGrowth,
  planPromotion,
  planRollout,
  rolloutIn,
} from './editing/rollouts.js';
import { checkRule, grown, nobody, type RolloutRule } from './rollout/rule.js';

/**
 * Changes for some readers first: begun, grown stage by stage, and at last promoted or aborted.
 *
 * - Guaranteed: whoever takes it is named by one of its rules, which every reader judges alike; a share is that of a stable hash of the
 *   instance's id and the rollout's. Who has taken it keeps it while it grows. Promotion gives everybody exactly what was rolled out, and
 *   only in the place of what that was made from. One of several documents is taken, promoted and aborted of all of them at once.
 * - Overlays that a rollout does not name lie on top of it, as they do on what it replaces; a rollout of an overlay is taken by those
 *   only who read that scope, and are named.
 * - Not guaranteed: a share that is exact among few instances: each is in or out by its own hash.
 * - One rollout of a document goes on at a time. Changes of its layers stay possible, are not seen by those who take it, and make its
 *   promotion fail with `conflict`: abort it, and begin anew.
 * - Errors and cost: as {@link ConfigEditor}. Where a review is required, begin with `reviews.publish` and a rule.
 */
export class ConfigRollouts {
  readonly #core: EditorCore;

  constructor(core: EditorCore) {
    this.#core = core;
  }

  /**
   * Gives edits to those whom `rule` names. Throws `conflict` where a rollout of one of the documents goes on; `request-too-large` and
   * `too-many-operations` for what could not be promoted. Made again under its id, it answers whose rollout that is, and why.
   */
  async start(
    edits: ConfigEdit | readonly ConfigEdit[],
    rule: RolloutRule,
    options: ChangeOptions,
  ): Promise<ConfigRollout> {
    const started = this.#core.begin(options, 'starting a rollout of');
    checkRule(rule);
    const ready = await this.#core.ready(edits, started);
    const documents = [...byDocument(ready).keys()];
    const asked = askedRollout(ready, rule);
    const { change, by } = await this.#core.commitBy(started, documents, asked, (read) => {
      assertExpected(ready, read);
      for (const { name } of documents) assertNeedsNoReview(stateOf(read, name));
      return planRollout(ready, rule, read, started);
    });
    const { id, revision } = change;
    return { ...by, id, revision, documents: documents.map(({ name }) => name), rule: grown(nobody, rule) };
  }

  /** The one of this document that goes on. One request. */
  async of(document: ConfigDocument<unknown>, options: WaitOptions = {}): Promise<ConfigRollout | undefined> {
    const { name } = this.#core.own(document);
    const read = await this.#core.read([name], [], this.#core.left(options, 'reading a rollout of'));
    return rolloutIn(stateOf(read, name));
  }

  /** Gives it to those too whom `rule` names. Throws `request-too-large` where it could not be promoted any more. */
  async grow(seen: ConfigRollout, rule: RolloutRule, options: ChangeOptions): Promise<ConfigRollout> {
    const started = this.#core.begin(options, 'growing a rollout of');
    checkRule(rule);
    const documents = documentsOf(seen, this.#core.documents);
    const asked = askedGrowth(seen, rule);
    const plan = (read: ReadStates) => planGrowth(seen, rule, read);
    const { revision } = await this.#core.commit(started, documents, asked, plan);
    // Made again, it may have been seen as it was afterwards.
    return { ...seen, revision: Math.max(revision, seen.revision), rule: grown(seen.rule, rule) };
  }

  /** Gives it to all. Throws `conflict` if it, or what it was made from, was changed since it was seen. */
  async promote(seen: ConfigRollout, options: ChangeOptions): Promise<ConfigChange> {
    const started = this.#core.begin(options, 'promoting a rollout of');
    const documents = documentsOf(seen, this.#core.documents);
    return this.#core.commit(started, documents, askedEnd('promote', seen), (read) =>
      planPromotion(seen, read),
    );
  }

  /** Takes it back: all are given what those are who did not take it. Needs no review, and asks no schema. */
  async abort(seen: ConfigRollout, options: ChangeOptions): Promise<ConfigChange> {
    const started = this.#core.begin(options, 'aborting a rollout of');
    const documents = documentsOf(seen, this.#core.documents);
    return this.#core.commit(started, documents, askedEnd('abort', seen), (read) => planAbort(seen, read));
  }
}
