/**
 * Live configuration: documents that many processes read from their own memory, and that are changed for all of them at once, for
 * a share of them first, or after a review.
 *
 * **Keys**, all under `{ns}/config/{name}/`, none on a lease; D a document, S a scope (`production/eu-1`, empty for the base):
 * - `live/c/D/S`: a layer, the content in the bytes of its codec. `live/r/D`: the rollout that goes on of D. `live/stamp`: put by every
 *   change of the two. Readers follow `live/` and nothing else.
 * - `head/D`: how many changes of D there were; `history/D/N`: the Nth, with who, when, why, before and after; `policy/D`: what is
 *   asked of its changes. `review/A/proposal/I`, `review/A/vote/B/I`: what the author A proposes, and how A votes on the proposal I
 *   of B.
 *
 * **Transactions.** Everything that is done to documents D is one, made from what was read of them at one revision R:
 * `IF for each D mod(head/D), mod(policy/D) and mod of each layer that is to change are as read, and no layer is newer than R
 * THEN put the layers, put history/D/N, delete what history keeps no longer, put head/D, put live/stamp`. Refused, it is made again
 * from what is there now, unless the caller said what it expects. `head/D` makes the changes of a document come one after the other, so
 * what the schemas were asked about is what the readers get.
 * - rollout: the same with `put live/r/D` (where there is none) in place of the layers; it has the contents, the rule that says who
 *   takes them, and the revisions of the layers that they are to replace. grow: `put live/r/D` with a wider rule.
 * - promote: `IF mod(live/r/D) = x, each layer's mod = its base THEN put the layers, delete live/r/D`. abort: `delete live/r/D`.
 * - publish: a change as above, made of the proposal p, `IF mod(p) = m, mod of each approving vote as read, nothing under review/ newer
 *   than R`; it deletes p and its votes. A vote names the revision of the proposal that it is about.
 *
 * **Reading.** A mirror of `live/` (mirror/prefix-mirror.ts) hands on whole revisions. Of each, the layers of the reader's scope are
 * merged (RFC 7396), the base first; where the reader takes a rollout its contents stand in the place of the layers that it names.
 * What comes of it is decoded and asked the schema about, once. If all documents pass, readers have them all from then on; if one fails,
 * they keep the last revision in which none did, and the failure is told.
 *
 * **Who waits for what.** `get` for nothing. `sync` for a proof that is sent after the call, and for what that shows to be given.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; where history was compacted, the change is made again under
 * the same id, which the head remembers. Watch cut, silent or compacted: the mirror goes on, or reads anew; meanwhile `stalenessMs`
 * grows. Process pauses: what it writes is refused if the documents were changed, and its staleness is counted by all clocks. Sessions
 * are not used.
 *
 * **Wrong:** events applied key by key (half of an atomic change is seen); a guard on the layer alone (two changes that pass the schema
 * one by one, and not together); the newest revision among the live keys as the proof of freshness (a deletion is missed); staleness
 * since the answer in place of the question; a promotion that is not guarded (what was changed or aborted meanwhile comes back); a
 * share by chance or by order of arrival (who has taken it loses it again); approval by the author under another name of the record:
 * the author is the one whose key it is, which etcd's roles can guard; a vote under the id of its proposal alone (ids are callers': the
 * vote on one author's proposal takes the place of that on another's).
 */
import { isQuorateError, QuorateError } from '../errors.js';
import { PrefixMirror, readStamp } from '../mirror/index.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  Listeners,
  linkedSignal,
  stoppable,
  TimeLeft,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import { type Client, checkClient } from '../session/index.js';
import { checkName, type Store } from '../store/index.js';
import type { ConfigDocument } from './document.js';
import { ConfigKeys } from './keys.js';
import { clusterIdOf } from './reading/cluster-id.js';
import { newestOf } from './reading/follow.js';
import { Freshness } from './reading/freshness.js';
import {
  type CheckedConfigOptions,
  type ConfigOptions,
  type ConfigPicture,
  checkConfigOptions,
} from './reading/options.js';
import { type ConfigProblem, errorOf, withoutSeed } from './reading/problem.js';
import { Publisher } from './reading/publisher.js';
import type { ConfigSnapshot, ConfigView } from './reading/snapshot.js';

/**
 * What a reader needs of its client: it writes nothing, and has no session. So a process that starts while etcd is away, and has no
 * client yet, may hand in a store that connects by itself.
 */
export interface ConfigReaderClient extends Pick<Client, 'keys' | 'runtime' | 'label'> {
  /** Fires, with a `closed` error, when nothing is to be read any more. A `Client` has one. */
  readonly closed?: AbortSignal | undefined;
  readonly store: Pick<Store, 'range' | 'watch' | 'status'>;
}

/** Readers are given another revision. */
export interface ConfigUpdate {
  readonly snapshot: ConfigSnapshot;
  /** The documents whose content is another than before; may be none. */
  readonly changed: readonly ConfigDocument<unknown>[];
}

/**
 * The documents of a configuration, for one reader.
 *
 * - Order: revisions. What `get` gives never goes back, and all documents are of one revision: an atomic change is seen whole, and
 *   one that comes after another never without it.
 * - Guaranteed: every document that is given passed its schema, in this process. `stalenessMs` is an upper bound: all that was committed
 *   so long ago is in what is given, or overwritten by it. Who takes a rollout keeps it while it grows.
 * - Not guaranteed: that all processes have a change at the same instant; that every revision is given: those that come while a
 *   schema takes its time are given together. One that has not answered for 5 s is told as a `problem`.
 * - A document that fails its schema holds up all others of this reader, since they may have been changed to fit it; see `problem`.
 *   Readers that need not fit together are better opened apart.
 * - Session loss: it uses none. When etcd is away it goes on with what it has, and `stalenessMs` grows.
 * - Cost: `get` is a look into a map; a change is made ready once. One watch, and a read each `proveEveryMs`; to open, a read for each
 *   megabyte and one of the cluster's id. Memory: all live documents of the configuration, and what is made of those that are read.
 */
export class Config implements AsyncDisposable {
  readonly name: string;
  readonly #client: ConfigReaderClient;
  /** For messages. */
  readonly #label: string;
  readonly #mirror: PrefixMirror;
  readonly #publisher: Publisher;
  readonly #freshness: Freshness;
  /** What was begun with. */
  #seed: ConfigPicture | undefined;
  /** Why it was not. */
  #seedProblem: ConfigProblem | undefined;
  readonly #updates = new Listeners<ConfigUpdate>();
  readonly #problems = new Listeners<ConfigProblem>();
  /** Whatever may end a wait: an update, a problem, the end. */
  readonly #news = new Listeners<void>();
  readonly #closed = new AbortController();
  #snapshot: ConfigSnapshot | undefined;
  #clusterId = '';
  #failure: QuorateError | undefined;

  private constructor(client: ConfigReaderClient, name: string, options: CheckedConfigOptions) {
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const { store, runtime } = client;
    this.name = name;
    this.#client = client;
    this.#label = `the configuration ${JSON.stringify(name)}`;
    this.#freshness = new Freshness(runtime, readStamp(store, keys.stamp));
    const { proveEveryMs, documents, scope, instance } = options;
    this.#mirror = new PrefixMirror({
      ...{ store, runtime, prefix: keys.live, proveEveryMs, closed: client.closed },
      owner: `the configuration ${JSON.stringify(name)}`,
      uncounted: keys.stamp,
      proof: this.#freshness.prove,
      onProof: () => this.#freshness.proved(),
    });
    this.#publisher = new Publisher({
      ...{ runtime, keys, documents, standpoint: { scope, instance } },
      onSnapshot: (snapshot, changed) => this.#give(snapshot, changed),
      onProblem: (problem) => {
        this.#problems.emit(problem);
        this.#news.emit();
      },
    });
  }

  /**
   * Opens it, and waits until there is something to read: the first revision, or the `seed`. A seed of which any document fails its
   * schema, or whose schemas have not answered for 5 s, is left aside (`seedProblem`), and the store waited for. Default time limit 10 s.
   *
   * Errors: `invalid-argument`; `codec`, where a document does not pass its schema and there is nothing older (`details.documents`);
   * `unreachable`, where the seed does not, and the store does not answer in time (`details.documents`); `aborted`; `timeout`, of a schema
   * that does not answer too; `closed`; `permission-denied`, `unauthenticated`; `over-limit`, for more than 100,000 live keys or 256 MiB.
   */
  static async open(client: ConfigReaderClient, name: string, options: ConfigOptions): Promise<Config> {
    checkClient(client);
    checkName(name, 'config name');
    const doing = `opening the configuration ${JSON.stringify(name)}`;
    const checked = checkConfigOptions(options, client.label);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const left = new TimeLeft(client.runtime, { signal, timeoutMs }, doing);
    const config = new Config(client, name, checked);
    try {
      if (checked.seed !== undefined) await config.#begin(checked.seed, left);
      const started = config.#start(config.#snapshot === undefined ? left : undefined);
      if (config.#snapshot === undefined) {
        await started;
        await config.#until(() => config.#snapshot !== undefined, left.all(), doing);
      }
    } catch (error) {
      await config.close();
      throw config.#seedProblem === undefined
        ? error
        : withoutSeed(error, config.#seedProblem, config.#label);
    }
    return config;
  }

  /** With what was handed in. If any document of it fails, with nothing of it: what is left would not be of one revision. */
  async #begin(seed: ConfigPicture, left: TimeLeft): Promise<void> {
    this.#seedProblem = await this.#publisher.seed(seed.contents, seed.revision, left.all());
    if (this.#seedProblem === undefined) this.#seed = seed;
  }

  /** What a document is for this reader; undefined: there is none. Throws `invalid-argument` for one that was not opened. */
  get<T>(document: ConfigDocument<T>): T | undefined {
    return (this.#snapshot as ConfigSnapshot).get(document);
  }

  /** The same, and which revision and which rollout it came of. */
  view<T>(document: ConfigDocument<T>): ConfigView<T> {
    return this.snapshot.view(document);
  }

  /** All documents as they are now, to be kept while they must fit together. */
  get snapshot(): ConfigSnapshot {
    return this.#snapshot as ConfigSnapshot;
  }

  /**
   * How old what is given may be, in ms: all that was committed so long ago shows. Counted since a proof was sent, by every clock
   * there is, sleep included. Infinity while it is offline.
   */
  get stalenessMs(): number {
    if (this.#snapshot === undefined || this.#snapshot.isOffline) return Number.POSITIVE_INFINITY;
    return this.#freshness.stalenessMs;
  }

  /** Why a newer revision is not given; undefined: nothing hinders it. */
  get problem(): ConfigProblem | undefined {
    return this.#publisher.problem;
  }

  /** Why the seed was left aside, and the store read in its place; undefined: it was not, or there was none. */
  get seedProblem(): ConfigProblem | undefined {
    return this.#seedProblem;
  }

  /** Why nothing newer will ever be given: the client was closed, or the process may not read any more. What is there stays. */
  get failure(): QuorateError | undefined {
    return this.#failure;
  }

  /** Id of the cluster; empty before it was reached. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** What is given, for a start without the store: see `seed`. */
  picture(): ConfigPicture {
    const { revision, all, isOffline } = this.snapshot;
    const contents = [...all].flatMap(([{ name }, { content }]) =>
      content === undefined ? [] : [[name, content] as const],
    );
    const clusterId = isOffline ? (this.#seed?.clusterId ?? '') : this.#clusterId;
    return { clusterId, revision, contents: new Map(contents) };
  }

  /**
   * Resolves once everything that was committed before this call is given: what `get` answers then is linearizable. Answers the
   * revision. Errors: `codec`, if what would have to be given does not pass its schema, and the other codes of a {@link ConfigProblem};
   * `aborted`; `timeout` (10 s where none is given); `closed`. Cost: one read of one key, shared by all who call at a time.
   */
  async sync(options: WaitOptions = {}): Promise<number> {
    const doing = `waiting for the newest of the configuration ${JSON.stringify(this.name)}`;
    checkWaitOptions(options, doing);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const left = new TimeLeft(this.#client.runtime, { signal, timeoutMs }, doing);
    const { sent } = this.#freshness;
    try {
      await this.#mirror.sync(left.all());
    } catch (error) {
      // That the mirror has ended has a reason.
      throw this.#failure ?? error;
    }
    await this.#until(() => this.#freshness.isFreshAfter(sent), left.all(), doing);
    return this.snapshot.revision;
  }

  /**
   * Follows a document: what it is, and then what it becomes. Conflated: a slow reader is told the newest, never an older after a
   * newer, and at the end the last: where this is closed, or fails for good, what `get` gave by then is still told. For every change, with
   * its author, see `ConfigEditor.history`.
   *
   * Ends when the signal fires, the reader leaves, or this is closed; throws only what can never be recovered from. Costs no request.
   */
  watch<T>(
    document: ConfigDocument<T>,
    options: Pick<WaitOptions, 'signal'> = {},
  ): AsyncIterableIterator<ConfigView<T>> {
    this.view(document);
    checkWaitOptions(options, `following the document ${JSON.stringify(document.name)}`);
    return stoppable(options.signal, (end) => this.#follow(document, end));
  }

  /** Runs `listener` at each revision that is given from now on, right after `get` gives it. Returns what takes it off. */
  onUpdate(listener: (update: ConfigUpdate) => void): () => void {
    return this.#updates.add(listener);
  }

  /** Runs `listener` at each revision that is not given, for what `ConfigProblem` tells. Returns what takes it off. */
  onProblem(listener: (problem: ConfigProblem) => void): () => void {
    return this.#problems.add(listener);
  }

  /** Gives nothing newer from now on; what is there stays readable. Idempotent, and never rejects. */
  async close(): Promise<void> {
    this.#closed.abort(new QuorateError('closed', 'the configuration is closed'));
    this.#publisher.close();
    await this.#mirror.close();
    this.#news.emit();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Without `left` nobody waits for it: it goes on until it succeeds, or this is closed. */
  async #start(left: TimeLeft | undefined): Promise<void> {
    this.#mirror.onState((state) => {
      if (state.status === 'ended') this.#fail(state.error);
    });
    this.#mirror.onBatch((batch) => this.#publisher.apply(batch));
    const loading = this.#load();
    loading.catch((error: unknown) => this.#fail(error));
    if (left !== undefined)
      await waitFor(
        this.#client.runtime,
        loading,
        left.all(),
        `opening the configuration ${JSON.stringify(this.name)}`,
      );
  }

  /** Nothing is given before it is known of which cluster it is: a seed may be of another. */
  async #load(): Promise<void> {
    const { store, runtime, closed } = this.#client;
    const { signal, unlink } = linkedSignal(this.#closed.signal, closed);
    try {
      this.#clusterId = await clusterIdOf(store, runtime, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      unlink();
    }
    if (this.#seed?.clusterId === this.#clusterId) this.#publisher.notBefore(this.#seed.revision);
    this.#mirror.start();
  }

  #give(snapshot: ConfigSnapshot, changed: readonly ConfigDocument<unknown>[]): void {
    this.#snapshot = snapshot;
    if (!snapshot.isOffline) {
      const isNewest = snapshot.revision === this.#mirror.revision;
      this.#freshness.given(snapshot.revision, isNewest ? this.#mirror.stalenessMs : undefined);
    }
    this.#updates.emit({ snapshot, changed });
    this.#news.emit();
  }

  #fail(error: unknown): void {
    this.#failure ??= isQuorateError(error)
      ? error
      : new QuorateError('internal', 'following a configuration failed', { cause: error });
    // It may not have begun yet, and who waits for it would wait for ever.
    void this.#mirror.close();
    this.#news.emit();
  }

  /** Resolves once it is so; rejects if that is not to be expected any more. */
  async #until(isSo: () => boolean, options: WaitOptions, doing: string): Promise<void> {
    let stop = () => {};
    const waiting = new Promise<void>((resolve, reject) => {
      const look = () => {
        const { problem, takenIn } = this.#publisher;
        if (isSo()) resolve();
        else if (this.#failure !== undefined) reject(this.#failure);
        // Of an older revision than what is being checked it says nothing.
        else if (problem?.revision === takenIn) reject(errorOf(problem, this.#label));
      };
      stop = this.#news.add(look);
      look();
    });
    try {
      await waitFor(this.#client.runtime, waiting, options, doing);
    } finally {
      stop();
    }
  }

  async *#follow<T>(
    document: ConfigDocument<T>,
    end: AbortSignal,
  ): AsyncGenerator<ConfigView<T>, void, void> {
    const closed = this.#closed.signal;
    yield* newestOf<ConfigView<T>>(
      (tell, fail) => {
        const stopUpdates = this.onUpdate(({ snapshot, changed }) => {
          if (changed.includes(document as ConfigDocument<unknown>)) tell(snapshot.view(document));
        });
        const stopNews = this.#news.add(() => {
          if (this.#failure !== undefined) fail(this.#failure);
        });
        tell(this.view(document));
        if (this.#failure !== undefined) fail(this.#failure);
        return () => {
          stopUpdates();
          stopNews();
        };
      },
      { end, closed },
    );
  }
}
