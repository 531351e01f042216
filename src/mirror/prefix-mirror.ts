/**
 * A prefix of the store, mirrored in memory.
 *
 * **Protocol.** It reads, and writes nothing.
 * - load: the prefix in pages. The first is a linearizable read, and its revision R is that of the whole: the other pages are read
 *   as of R. Then the memory is the state as of R.
 * - follow: a watch from R + 1, that goes on by revision after a cut, so nothing is missed and nothing told twice. All events of a
 *   revision enter the memory in one step, and only then are they told; so nobody ever sees half of an atomic change.
 * - history compacted: the prefix is loaded again, as of some R' above, and what differs is told as one batch, marked so.
 * - proof of freshness: a request, sent at t, answers a revision M that the mirror must reach. When it stands there, the memory shows
 *   all that was committed before t. So it is as fresh as of the moment at which the last fulfilled proof was *sent*.
 *
 * **Who waits for what.** A reader for nothing. `sync` for a proof that is sent after the call, which all who call meanwhile share,
 * and then for the watch to bring what it asks for; `reach` for a revision that the caller knows of, of a write of its own.
 *
 * **When things go wrong.** A read whose reply is lost is sent again, for a smaller page. Compacted between two pages: the load begins anew, with pages as
 * large as it has found fitting. A watch that is cut, or silent: reads go on, and the staleness tells; a watch that does not
 * bring what a proof has shown to be there for `stallMs` is opened anew. Process pauses: the staleness is counted by all clocks,
 * when it is asked for; no timer is trusted. A prefix that outgrows the limits is not taken in any further; it is looked at again ever more seldom,
 * or when a proof, or a revision that somebody waits for, shows that it has changed. Nothing in memory goes
 * back: a state that is read is taken in only if its revision is not below that of the memory.
 * The store is put back to an older state, and goes on from there by other writes: the memory stays, and nothing is proved, until the
 * store has passed it; then all is read anew. It shows in a proof that is answered from below what was seen, and in events that do not
 * count on from the versions in memory; a store that has passed the memory between two proofs, with as many writes of each key that
 * comes then as there had been, is not told from the old one.
 *
 * **Wrong:** pages at different revisions (a key that moves from a page not read yet to one that was is seen twice, or never); a watch
 * from the revision of the last page; applying event by event; a watch "from now" after a cut, or the revision of a header as the
 * position; staleness from the moment of the answer; see also {@link FreshnessProof}.
 *
 * After the reflectors of Kubernetes (list, then watch) and its consistent reads from a cache (KEP-2340), with a stamp where those ask
 * the watch for its progress.
 */
import { invalidArgument, QuorateError, shown } from '../errors.js';
import {
  AgeClock,
  checkWaitOptions,
  type Instant,
  Listeners,
  type Runtime,
  sharedController,
  sleep,
  TimeLeft,
  type Timer,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import { type Key, type KeyValue, prefixRange } from '../store/index.js';
import { Following } from './following.js';
import { Freshness } from './freshness.js';
import { MirrorMemory } from './memory.js';
import { Proofs } from './proofs.js';
import { RevisionWaits } from './revision-waits.js';
import type { MirrorBatch, MirrorState, PrefixMirrorOptions, ProofAnswer } from './types.js';

const defaultMaxEntries = 100_000;
const defaultMaxBytes = 256 * 1024 * 1024;
const defaultProveEveryMs = 1_000;
/** A watch that stands, and has brought nothing for so long though a proof shows that there is something, is opened anew. */
const stallMs = 5_000;

/**
 * The state of a prefix in memory, always that of one revision.
 *
 * - Order: revisions. `revision` never goes back, nor does what is read.
 * - Guaranteed: what is in memory is the state of the prefix as of `revision`: every change up to it, none of a later one.
 *   Batches are told in order, none twice, none left out but across a `reset`, which says what differs.
 * - Not guaranteed: how far behind it is, unless somebody asks. `stalenessMs` says how old it may be, `sync` waits until it is as
 *   new as the call.
 * - Memory: at most `maxEntries` and `maxBytes`, and twice that while it loads anew; and one page, which is about a megabyte. The first
 *   has up to 16 of the largest values; one that is the first with large values after many small ones up to 1,000 of them: how large
 *   the next are nobody knows before they come.
 * - Listeners are called synchronously, after the memory has changed; one that throws is reported as a process warning.
 * - Cost: to load, a read for each megabyte or 1,000 keys, and some five more to begin with; one watch of its own; a proof each `proveEveryMs`.
 */
export class PrefixMirror<Entry = KeyValue> implements AsyncDisposable {
  readonly #runtime: Runtime;
  readonly #proveEveryMs: number;
  readonly #memory: MirrorMemory<Entry>;
  readonly #following: Following<Entry>;
  readonly #freshness: Freshness;
  readonly #proofs: Proofs | undefined;
  readonly #waits = new RevisionWaits();
  readonly #batches = new Listeners<MirrorBatch<Entry>>();
  readonly #states = new Listeners<MirrorState>();
  readonly #ended = sharedController();
  readonly #closed: AbortSignal | undefined;
  readonly #owner: string;
  #state: MirrorState = { status: 'loading' };
  #isStarted = false;
  #stall: Timer | undefined;

  /** Making one sends nothing. */
  constructor(options: PrefixMirrorOptions<Entry>) {
    const { store, runtime, proof, entryOf = (kv: KeyValue) => kv as Entry } = options;
    const { maxEntries = defaultMaxEntries, maxBytes = defaultMaxBytes } = options;
    const { proveEveryMs = defaultProveEveryMs } = options;
    checkWhole(maxEntries, 'maxEntries', 'entries');
    checkWhole(maxBytes, 'maxBytes', 'bytes');
    if (!(typeof proveEveryMs === 'number' && proveEveryMs > 0)) {
      throw invalidArgument(`proveEveryMs is ${shown(proveEveryMs)}`, 'a number of milliseconds above 0');
    }
    this.#runtime = runtime;
    this.#closed = options.closed;
    this.#owner = options.owner ?? 'the mirror';
    this.#proveEveryMs = proveEveryMs;
    const ended = this.#ended.signal;
    const made = (kv: KeyValue, before: Entry | undefined) => entryOf(kv, before, ended);
    this.#memory = new MirrorMemory(made, { maxEntries, maxBytes, uncounted: options.uncounted });
    const clock = new AgeClock(runtime);
    this.#freshness = new Freshness(clock);
    this.#following = new Following({
      ...{ store, runtime, clock, memory: this.#memory, ended },
      range: prefixRange(options.prefix),
      advanced: (batch, readAt) => this.#advanced(batch, readAt),
      told: (state) => this.#setState(state),
      readAnotherHistory: () => this.#proofs?.forget(),
    });
    if (proof === undefined) return;
    const proved = (answer: ProofAnswer & { readonly sentAt: Instant }) => {
      options.onProof?.(answer);
      this.#freshness.proved(answer);
      this.#following.changedAt(answer.revision);
      this.#armStall();
    };
    const seen = () => this.#memory.revisionOf(options.uncounted ?? '');
    const stands = () => this.#following.revision;
    const wentBack = (error: QuorateError) => this.#following.wentBack(error);
    const isPutBack = () => this.#following.isPutBack;
    this.#proofs = new Proofs({ proof, runtime, clock, seen, stands, isPutBack, ended, proved, wentBack });
  }

  get state(): MirrorState {
    return this.#state;
  }

  /** What is in memory is the state as of this revision; 0 before it is loaded. */
  get revision(): number {
    return this.#following.revision;
  }

  get size(): number {
    return this.#memory.size;
  }

  /** Of keys and values, as the store has them. */
  get bytes(): number {
    return this.#memory.bytes;
  }

  /** How old what is in memory may be at most: all that had been committed so long ago is in it. Infinite before it is loaded. */
  get stalenessMs(): number {
    return this.#freshness.ageMs;
  }

  /** The moment that `stalenessMs` counts from: when the last proof was sent that was fulfilled. */
  get freshAsOf(): Instant | undefined {
    return this.#freshness.asOf;
  }

  get(key: Key): Entry | undefined {
    return this.#memory.get(key);
  }

  has(key: Key): boolean {
    return this.#memory.has(key);
  }

  /**
   * Throws `over-limit` if these writes, of so many bytes of key and value, or deletions, where undefined, would make it larger than
   * it may be. What others write meanwhile is not known to it.
   */
  checkRoom(writes: ReadonlyMap<Key, { readonly bytes: number } | undefined>): void {
    this.#memory.checkRoom(writes);
  }

  /** In no particular order. To be read in one go: what comes in meanwhile shows. */
  entries(): IterableIterator<[Key, Entry]> {
    return this.#memory.entries();
  }

  /** Called for each batch from now on. Returns what takes the listener off. */
  onBatch(listener: (batch: MirrorBatch<Entry>) => void): () => void {
    return this.#batches.add(listener);
  }

  onState(listener: (state: MirrorState) => void): () => void {
    return this.#states.add(listener);
  }

  /** Fires when it ends, with what ends it. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Begins to load, and goes on until it is closed. Idempotent. */
  start(): void {
    if (this.#isStarted || this.#ended.signal.aborted) return;
    this.#isStarted = true;
    this.#closed?.addEventListener('abort', this.#end, { once: true });
    if (this.#closed?.aborted) this.#end();
    void this.#following.run();
    const proofs = this.#proofs;
    if (proofs !== undefined && this.#proveEveryMs < Number.POSITIVE_INFINITY) void this.#keepProving(proofs);
  }

  /** Resolves once it has been loaded. Rejects with what ends it, with `aborted` and with `timeout`. */
  async ready(options: WaitOptions = {}): Promise<void> {
    this.start();
    await this.reach(0, options);
  }

  /**
   * Resolves once `revision` is at least this, with the revision that it is. Where nothing was written to the prefix at that
   * revision, nor is after it, that may be never. Rejects with what ends the mirror, with `aborted` and with `timeout`.
   */
  async reach(revision: number, options: WaitOptions = {}): Promise<number> {
    const doing =
      revision === 0 ? `reading ${this.#owner}` : `waiting for ${this.#owner} to show revision ${revision}`;
    checkWaitOptions(options, doing);
    if (this.#following.isLoaded && revision <= this.revision) return this.revision;
    this.#throwIfEnded();
    const wait = this.#waits.add(revision);
    this.#following.changedAt(revision);
    try {
      await waitFor(this.#runtime, wait.reached, options, doing);
    } finally {
      wait.leave();
    }
    return this.revision;
  }

  /**
   * Resolves once the memory shows all that had been committed when this was called, with the revision that it stands at.
   * Rejects as `reach` does, with what the proof is refused for, and with `unimplemented` if there is no proof.
   * Cost: one proof for all who call at a time.
   */
  async sync(options: WaitOptions = {}): Promise<number> {
    const doing = `proving that ${this.#owner} is fresh`;
    checkWaitOptions(options, doing);
    if (this.#proofs === undefined) throw new QuorateError('unimplemented', 'this mirror has no proof');
    this.#throwIfEnded();
    const left = new TimeLeft(this.#runtime, options, doing);
    const asked = this.#proofs.ask();
    try {
      return await this.reach(await waitFor(this.#runtime, asked.answer, left.all(), doing), left.all());
    } catch (error) {
      // A proof that is given up with the mirror says so in its own way.
      this.#throwIfEnded();
      throw error;
    } finally {
      asked.leave();
    }
  }

  /** Nothing is told after it, but the state `ended`. What is in memory stays. Idempotent. */
  async close(): Promise<void> {
    this.#setState({ status: 'ended', error: new QuorateError('closed', `${this.#owner} is closed`) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #end = (): void => this.#setState({ status: 'ended', error: this.#closed?.reason });

  #advanced(batch: MirrorBatch<Entry>, readAt: Instant | undefined): void {
    const { type, revision, changes } = batch;
    this.#freshness.stands(revision);
    if (readAt !== undefined) this.#freshness.proved({ revision, sentAt: readAt });
    if (type === 'reset' || changes.length > 0) this.#batches.emit(batch);
    this.#waits.reached(revision);
  }

  async #keepProving(proofs: Proofs): Promise<void> {
    const { signal } = this.#ended;
    try {
      await this.reach(0);
      for (;;) {
        const delayMs = this.#proveEveryMs * (0.75 + this.#runtime.random() / 2);
        await sleep(this.#runtime, delayMs, { signal, background: true });
        const asked = proofs.ask();
        // Refused for good, it is asked again all the same: permissions change.
        const revision = await asked.answer.catch(() => 0);
        asked.leave();
        // As long as what it asks for is not there, another would prove nothing.
        await this.#reachUnlessFull(revision);
      }
    } catch {
      // The mirror has ended.
    }
  }

  /** Where it is too much to be taken in, a proof is still a sign that something has changed. */
  async #reachUnlessFull(revision: number): Promise<void> {
    const full = new AbortController();
    const look = () => {
      if (this.#state.status === 'behind' && this.#state.error.code === 'over-limit') full.abort();
    };
    const stop = this.onState(look);
    look();
    try {
      await this.reach(revision, { signal: full.signal });
    } catch (error) {
      if (!full.signal.aborted) throw error;
    } finally {
      stop();
    }
  }

  #armStall(): void {
    if (this.#stall !== undefined || this.#freshness.owes === undefined || this.#ended.signal.aborted) return;
    const look = () => {
      this.#stall = undefined;
      const owed = this.#freshness.owes;
      if (owed === undefined) return;
      if (this.#following.silentMs >= stallMs) {
        const message = `the watch has brought nothing for ${stallMs} ms, and revision ${owed} is there`;
        this.#following.reopen(new QuorateError('unavailable', message));
      }
      this.#armStall();
    };
    this.#stall = this.#runtime.setTimer(stallMs, look, { background: true });
  }

  #setState(state: MirrorState): void {
    const before = this.#state;
    if (before.status === 'ended' || (before.status === 'live' && state.status === 'live')) return;
    this.#state = state;
    if (state.status === 'ended') {
      this.#ended.abort(state.error);
      this.#closed?.removeEventListener('abort', this.#end);
      this.#stall?.cancel();
      this.#following.close();
      this.#waits.fail(state.error);
    }
    this.#states.emit(state);
  }

  #throwIfEnded(): void {
    if (this.#state.status === 'ended') throw this.#state.error;
  }
}

function checkWhole(given: unknown, name: string, what: string): void {
  if (Number.isSafeInteger(given) && (given as number) >= 1) return;
  throw invalidArgument(`${name} is ${shown(given)}`, `a whole number of ${what} from 1`);
}
