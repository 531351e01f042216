import { invalidArgument, shown } from '../errors.js';
import { checkWaitOptions, defaultTimeoutMs, type WaitOptions } from '../runtime/index.js';
import { type Client, checkClient } from '../session/index.js';
import { checkName } from '../store/index.js';
import { checkMethods } from './arguments.js';
import { ConfigReviews } from './config-reviews.js';
import { ConfigRollouts } from './config-rollouts.js';
import { type ConfigDifference, differencesBetween } from './difference.js';
import type { ConfigDocument, ConfigEdit } from './document.js';
import { askedEdits, askedPolicy, askedRollback } from './editing/asked.js';
import type { ConfigChange } from './editing/commit-change.js';
import type { ReadStates } from './editing/document-state.js';
import { type ChangeOptions, EditorCore } from './editing/editor-core.js';
import { assertExpected, assertNeedsNoReview, byDocument, contentsOf, stateOf } from './editing/edits.js';
import { type ConfigHistoryEntry, historyOf, layersThen, stateThen } from './editing/history.js';
import { checkLength } from './editing/limits.js';
import type { ChangePlan, DocumentPlan } from './editing/plan.js';
import { checkedPolicy } from './editing/policy.js';
import { type ConfigRollout, rolloutIn } from './editing/rollouts.js';
import { checkDocuments } from './reading/options.js';
import { type ConfigPolicy, defaultPolicy } from './records/policy.js';
import type { Scope } from './scope.js';

export interface ConfigEditorOptions {
  /** What this editor changes: their schemas are asked about each change. */
  documents: readonly ConfigDocument<unknown>[];
  /** Who writes, at most 256 bytes. With etcd's authentication, its user: roles can be given so that nobody proposes or votes in another's name. */
  author: string;
}

/** A document as it stands in the store. Contents are JSON values; bytes for a document with a codec of its own. */
export interface StoredDocument {
  /** As of which all of it is. */
  readonly revision: number;
  /** Of its last change; 0 for none. */
  readonly number: number;
  readonly layers: readonly { readonly scope: Scope; readonly content: unknown; readonly revision: number }[];
  readonly rollout: ConfigRollout | undefined;
  readonly policy: ConfigPolicy;
}

/** What differs in one layer. */
export interface LayerDifference {
  readonly scope: Scope;
  readonly differences: readonly ConfigDifference[];
}

/**
 * Changes the documents of a configuration, for an operator or a program that does as one.
 *
 * - Order: the changes of a document come one after the other, and are numbered so.
 * - Guaranteed: a change is applied whole or not at all, at one revision, and once, whatever replies were lost. What every reader would be
 *   given by it has passed the schema of this editor: the base, each overlay merged onto it, with a rollout and without. Nothing came
 *   between what the schema was asked about and what was written. A document whose policy asks for it is changed only by what others
 *   have approved, as they saw it. Every change is in the history of its documents, as long as that is kept.
 * - Not guaranteed: that all readers have the change when this settles; that what other programs write into the keys keeps any of this.
 * - Errors of all calls: `invalid-argument` (what a schema refuses has `details.issues`); `aborted` and `timeout` (10 s where none is given;
 *   the outcome may be `unknown`: make the call again under the same `changeId`); `codec` for records of other programs; `conflict` where
 *   what was expected, or seen, is another by now; `review-required`; `too-many-operations` above some 30 layers at a time;
 *   `request-too-large`, as a change carries each content three times; `no-space`, `permission-denied`…
 * - Cost: two requests for a change, one that reads and one that writes; two more each time that somebody else was first. A rollback reads
 *   the history since, 20 changes a request.
 */
export class ConfigEditor {
  readonly name: string;
  readonly author: string;
  /** Changes for some readers first. */
  readonly rollouts: ConfigRollouts;
  /** Changes that others look at before they are made. */
  readonly reviews: ConfigReviews;
  readonly #core: EditorCore;

  /** Making one sends nothing. */
  constructor(client: Client, name: string, options: ConfigEditorOptions) {
    checkClient(client);
    checkMethods(client.store, 'of the client, store', ['txn'], 'a Client');
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(`options are of type ${typeof options}`, 'an object with documents and author');
    }
    const { documents, author } = options;
    checkDocuments(documents);
    checkName(author, 'author');
    checkLength(author, 'author');
    this.#core = new EditorCore(client, name, author, documents);
    this.name = name;
    this.author = author;
    this.rollouts = new ConfigRollouts(this.#core);
    this.reviews = new ConfigReviews(this.#core);
  }

  /** A document as it stands. One request. */
  async read(document: ConfigDocument<unknown>, options: WaitOptions = {}): Promise<StoredDocument> {
    const own = this.#core.own(document);
    const left = this.#core.left(options, 'reading a document of');
    const read = await this.#core.read([own.name], [], left);
    const state = stateOf(read, own.name);
    return {
      ...{ revision: read.revision, policy: state.policy, number: state.head.number },
      layers: [...state.layers].map(([scope, content]) => ({
        ...{ scope, content: own.readable(content), revision: state.revisions.layer(scope) },
      })),
      rollout: rolloutIn(state),
    };
  }

  /**
   * Changes layers of one document or of several, all at one revision.
   *
   * ```ts
   * await editor.change([limits.set({ perSecond: 50 }), prices.overlay('staging', { currency: 'XTS' })], { reason: 'OPS-7' });
   * ```
   */
  async change(edits: ConfigEdit | readonly ConfigEdit[], options: ChangeOptions): Promise<ConfigChange> {
    const started = this.#core.begin(options, 'changing');
    const ready = await this.#core.ready(edits, started);
    const grouped = byDocument(ready);
    return this.#core.commit(started, [...grouped.keys()], askedEdits(ready), (read) => {
      assertExpected(ready, read);
      const documents = [...grouped].map(([{ name }, edited]) => {
        assertNeedsNoReview(stateOf(read, name));
        return { name, layers: contentsOf(edited), told: {} };
      });
      return { action: 'change', documents };
    });
  }

  /**
   * Makes a document again what it was after the change of this number, as a change like others: base and overlays. A rollout that
   * goes on is left as it is. Throws `invalid-argument` where the history is not kept as far back.
   */
  rollback(document: ConfigDocument<unknown>, number: number, options: ChangeOptions): Promise<ConfigChange> {
    return this.rollbackTo({ numbers: new Map([[this.#core.own(document).name, number]]) }, options);
  }

  /** The same of all documents of a change, at one revision: they are again as they were after it. */
  async rollbackTo(change: Pick<ConfigChange, 'numbers'>, options: ChangeOptions): Promise<ConfigChange> {
    const started = this.#core.begin(options, 'rolling back');
    const { numbers } = (change ?? {}) as Partial<ConfigChange>;
    if (!(numbers instanceof Map) || numbers.size === 0) {
      throw invalidArgument('there is nothing to roll back', 'a change, with the numbers of its documents');
    }
    const targets = [...numbers].map(([name, number]) => {
      return { document: this.#core.own({ name }), number: checkNumber(number) };
    });
    const plan = async (read: ReadStates): Promise<ChangePlan> => {
      const documents: DocumentPlan[] = [];
      for (const { document, number } of targets) {
        const state = stateOf(read, document.name);
        assertNeedsNoReview(state);
        const layers = await layersThen(this.#core, state, number, started.left);
        documents.push({ name: state.name, layers, told: { rolledBackTo: number } });
      }
      return { action: 'rollback', documents };
    };
    const documents = targets.map(({ document }) => document);
    return this.#core.commit(started, documents, askedRollback(numbers), plan);
  }

  /**
   * What `rollback` would do, as edits: to be proposed where a change needs a review, or to be rolled out. One request, and one for each
   * 20 changes since.
   */
  async editsTo(
    document: ConfigDocument<unknown>,
    number: number,
    options: WaitOptions = {},
  ): Promise<readonly ConfigEdit[]> {
    const own = this.#core.own(document);
    const left = this.#core.left(options, 'reading the history of');
    checkNumber(number);
    const state = stateOf(await this.#core.read([own.name], [], left), own.name);
    return [...(await layersThen(this.#core, state, number, left))].map(([scope, content]) => ({
      ...{ document: own, scope, expected: state.revisions.layer(scope) },
      bytes: async () => content,
    }));
  }

  /**
   * What differs between a document after the one change and after the other; without the second, now. One request, and for each of the
   * two one for each 20 changes since.
   */
  async diff(
    document: ConfigDocument<unknown>,
    from: number,
    options: WaitOptions & { to?: number | undefined } = {},
  ): Promise<readonly LayerDifference[]> {
    const own = this.#core.own(document);
    const left = this.#core.left(options, 'reading the history of');
    const { to } = options;
    checkNumber(from);
    if (to !== undefined) checkNumber(to);
    const state = stateOf(await this.#core.read([own.name], [], left), own.name);
    const before = await stateThen(this.#core, state, from, left);
    const after = to === undefined ? state.layers : await stateThen(this.#core, state, to, left);
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((scope) => {
      const [then, now] = [own.readable(before.get(scope)), own.readable(after.get(scope))];
      const differences = differencesBetween(then, now);
      return differences.length === 0 ? [] : [{ scope, differences }];
    });
  }

  /**
   * The changes of a document, the newest first, as many as its policy keeps. Pages of 20 are read as they are asked for;
   * `timeoutMs` is for each.
   */
  history(
    document: ConfigDocument<unknown>,
    options: WaitOptions & { limit?: number | undefined } = {},
  ): AsyncIterableIterator<ConfigHistoryEntry> {
    const own = this.#core.own(document);
    checkWaitOptions(options, 'reading history');
    const { signal, timeoutMs = defaultTimeoutMs, limit = Number.POSITIVE_INFINITY } = options;
    if (!(limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit >= 1))) {
      throw invalidArgument(`limit is ${shown(limit)}`, 'a whole number from 1, or none');
    }
    return historyOf(this.#core, own, { signal, timeoutMs, limit });
  }

  /** Sets what is asked of the changes of a document, from then on. What is left out stays as it is. */
  async setPolicy(
    document: ConfigDocument<unknown>,
    policy: Partial<ConfigPolicy>,
    options: ChangeOptions,
  ): Promise<ConfigChange> {
    const started = this.#core.begin(options, 'setting the policy of');
    const own = this.#core.own(document);
    checkedPolicy(policy, defaultPolicy);
    return this.#core.commit(started, [own], askedPolicy(policy), (read) => {
      const next = checkedPolicy(policy, stateOf(read, own.name).policy);
      const documents = [{ name: own.name, layers: new Map(), policy: next, told: {} }];
      return { action: 'policy', documents, isUnchecked: true };
    });
  }
}

function checkNumber(number: number): number {
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw invalidArgument(`the number of a change is ${shown(number)}`, 'a whole number from 0');
}
