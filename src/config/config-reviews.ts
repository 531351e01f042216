import { invalidArgument, shown } from '../errors.js';
import type { WaitOptions } from '../runtime/index.js';
import type { ConfigEdit } from './document.js';
import { askedPublication } from './editing/asked.js';
import type { ConfigChange } from './editing/commit-change.js';
import type { ChangeOptions, EditorCore } from './editing/editor-core.js';
import type { ConfigProposal } from './review/proposals.js';
import { propose } from './review/proposing.js';
import { planPublication, reviewRange } from './review/publication.js';
import { checkProposal, readProposals, vote, withdraw } from './review/reviewing.js';
import { checkRule, type RolloutRule } from './rollout/rule.js';

export interface PublishOptions extends ChangeOptions {
  /** For those first whom it names, as a rollout. Default: for all. */
  rule?: RolloutRule | undefined;
}

export interface WithdrawOptions extends WaitOptions {
  /** A proposal of another author too: of one who has left, say. Default false. */
  force?: boolean | undefined;
}

/**
 * Changes that others look at before they are made: proposed, voted on, published.
 *
 * - Guaranteed: what is published is what was proposed, byte for byte, in the place of what that was made from; approved, as it stood, by
 *   as many others than its author as the policies of its documents ask for at that revision; and rejected by nobody. The transaction
 *   that publishes it compares all of this.
 * - An author is whose key it is: with etcd's roles (`configPermissions`) nobody proposes or votes in the name of another.
 * - A proposal stands until it is published or withdrawn, 500 of them at most, with 64 votes each (128 where the next is a rejection):
 *   `over-limit`. What became of it is in the history of its documents: who proposed it, when and why, and who approved, up to 16 of them.
 *   One that is withdrawn leaves nothing behind.
 * - What can be proposed can be published for all, as far as its size goes: `request-too-large` and `too-many-operations` are told when it
 *   is proposed.
 * - Errors and cost: as {@link ConfigEditor}; a withdrawal and a list are one request each, a vote two.
 */
export class ConfigReviews {
  readonly #core: EditorCore;

  constructor(core: EditorCore) {
    this.#core = core;
  }

  /**
   * Puts edits up for review. They are checked as a change would be now, and again when they are published. Under the id of a proposal of
   * this author that stands it answers that one; `invalid-argument` if that is of other edits, and `conflict` if it was published already.
   */
  async propose(edits: ConfigEdit | readonly ConfigEdit[], options: ChangeOptions): Promise<ConfigProposal> {
    const started = this.#core.begin(options, 'proposing a change of');
    return propose(this.#core, started.left, await this.#core.ready(edits, started), started);
  }

  /** All that wait for their review, the oldest first. */
  async list(options: WaitOptions = {}): Promise<readonly ConfigProposal[]> {
    return readProposals(this.#core, this.#core.left(options, 'reading the proposals of'));
  }

  /** Approves a proposal of another author, as it was seen. In place of what this author has said of it before. */
  async approve(proposal: ConfigProposal, options: ChangeOptions): Promise<void> {
    const { left, by } = this.#core.begin(options, 'approving a proposal of');
    checkProposal(proposal);
    await vote(this.#core, left, proposal, 'approve', by);
  }

  /** Rejects a proposal of another author: it cannot be published while that stands. */
  async reject(proposal: ConfigProposal, options: ChangeOptions): Promise<void> {
    const { left, by } = this.#core.begin(options, 'rejecting a proposal of');
    checkProposal(proposal);
    await vote(this.#core, left, proposal, 'reject', by);
  }

  /**
   * Takes a proposal of this author back. Those of others are to be rejected; with `force` they are taken back too. Votes on it are
   * cleared away later. Throws `invalid-argument` for a proposal of another author without `force`.
   */
  async withdraw(proposal: ConfigProposal, options: WithdrawOptions = {}): Promise<void> {
    const left = this.#core.left(options, 'withdrawing a proposal of');
    checkProposal(proposal);
    const { force = false } = options;
    if (typeof force !== 'boolean') throw invalidArgument(`force is ${shown(force)}`, 'true, false or none');
    if (proposal.author !== this.#core.author && !force) {
      const what = `${this.#core.author} withdraws a proposal of ${proposal.author}`;
      throw invalidArgument(what, 'one of its own; reject() is for those of others, or force: true');
    }
    await withdraw(this.#core, left, proposal);
  }

  /**
   * Makes the change that was proposed. Throws `review-required` while too few have approved it, or one rejects it; `conflict` if it is
   * another than was seen, or what it was made from is.
   */
  async publish(proposal: ConfigProposal, options: PublishOptions): Promise<ConfigChange> {
    const started = this.#core.begin(options, 'publishing a change of');
    checkProposal(proposal);
    const { rule } = options;
    if (rule !== undefined) checkRule(rule);
    const { keys } = this.#core;
    const names = [...new Set(proposal.layers.map(({ document }) => document))];
    const documents = names.map((name) => this.#core.own({ name }));
    const parts = { keys, seen: proposal, documents, rule, made: started };
    const plan = (read: Parameters<typeof planPublication>[1]) => planPublication(parts, read);
    return this.#core.commit(started, documents, askedPublication(proposal, rule), plan, [reviewRange(keys)]);
  }
}
