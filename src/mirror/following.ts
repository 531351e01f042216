import { isPermanent, QuorateError, quorateErrorOf } from '../errors.js';
import { type AgeClock, Backoff, type Instant, linkedSignal, type Runtime, sleep } from '../runtime/index.js';
import type { Key, KeyEvent, KeyRange, Store, Watch } from '../store/index.js';
import type { MirrorMemory, Slot } from './memory.js';
import { PageLimit } from './page-limit.js';
import { readPrefix } from './read-prefix.js';
import type { MirrorBatch, MirrorState } from './types.js';

export interface FollowingOptions<Entry> {
  readonly store: Pick<Store, 'range' | 'watch'>;
  readonly runtime: Runtime;
  readonly clock: AgeClock;
  readonly range: Required<KeyRange>;
  readonly memory: MirrorMemory<Entry>;
  readonly ended: AbortSignal;
  /** The memory has changed. `readAt`: it was read, by a request that was sent then. */
  readonly advanced: (batch: MirrorBatch<Entry>, readAt?: Instant) => void;
  readonly told: (state: MirrorState) => void;
  /** The store was put back, and what is told next was read from it since. */
  readonly readAnotherHistory: () => void;
}

const retryDelay = { firstMs: 50, longestMs: 10_000 };
/** To look whether there are still too many keys takes one page; whether there are still too many bytes, reading as many as there may be. */
const fullDelay = { keys: { firstMs: 200, longestMs: 60_000 }, bytes: { firstMs: 1_000, longestMs: 60_000 } };
/** Of its time it may spend at most about a tenth on looking. */
const restAfterLook = 9;

/** Brings a prefix into memory, and the memory from one revision to the next, until it has ended. */
export class Following<Entry> {
  readonly #options: FollowingOptions<Entry>;
  readonly #pageLimit = new PageLimit();
  #revision = 0;
  #isLoaded = false;
  /** The events since `revision` are not to be had, or were not to be taken in. */
  #mustLoad = true;
  /** The store was put back: what is in memory is of a history that it does not have, and is to be read anew. */
  #isAnotherHistory = false;
  /** What it has seen of the prefix, taken in or not, goes up to here. */
  #seenAt = 0;
  /** How long it took to read the prefix, or to find that it is too much. */
  #lookedMs = 0;
  /** While it waits for the prefix to shrink: to be called when there is a sign that it may have. */
  #lookAgain: (() => void) | undefined;
  #watch: Watch | undefined;
  /** Since when the watch stands and has brought nothing; undefined where that cannot be said. */
  #silentSinceMs: number | undefined;

  constructor(options: FollowingOptions<Entry>) {
    this.#options = options;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /** What is in memory is the state as of this revision. */
  get revision(): number {
    return this.#revision;
  }

  /** What is in memory is of a history that the store does not have any more. */
  get isPutBack(): boolean {
    return this.#isAnotherHistory;
  }

  /** How long the watch has stood and brought nothing, in ms; 0 while it is cut, or something is being taken in. */
  get silentMs(): number {
    const since = this.#silentSinceMs;
    return since === undefined ? 0 : this.#options.runtime.monotonicMs() - since;
  }

  async run(): Promise<void> {
    const { runtime, ended: signal } = this.#options;
    const backoff = new Backoff(runtime, retryDelay);
    const whenFull = {
      keys: new Backoff(runtime, fullDelay.keys),
      bytes: new Backoff(runtime, fullDelay.bytes),
    };
    const goesWell = () => {
      for (const each of [backoff, whenFull.keys, whenFull.bytes]) each.reset();
    };
    while (!signal.aborted) {
      try {
        if (this.#mustLoad || this.#isAnotherHistory) await this.#load();
        if (signal.aborted) return;
        // Found out while it was read.
        if (this.#isAnotherHistory) continue;
        await this.#follow(goesWell);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asQuorateError(thrown);
        if (error.code === 'closed' || (!this.#isLoaded && endsLoading(error))) {
          this.#options.told({ status: 'ended', error });
          return;
        }
        this.#troubled(error);
        if (error.code === 'over-limit') {
          const limit = error.details.maxBytes === undefined ? 'keys' : 'bytes';
          await this.#restFull(whenFull[limit].nextMs(), fullDelay[limit]);
          continue;
        }
        await sleep(runtime, backoff.nextMs(), { signal, background: this.#isLoaded }).catch(() => {});
      }
    }
  }

  /** The prefix has changed, up to this revision at least: what was too much may be less. */
  changedAt(revision: number): void {
    if (revision > this.#seenAt) this.#lookAgain?.();
  }

  /** The store was put back. What is in memory stays, behind, until the store has passed its revision; then it is read anew. */
  wentBack(error: QuorateError): void {
    if (this.#isAnotherHistory || !this.#isLoaded) return;
    this.#isAnotherHistory = true;
    this.#options.memory.distrust();
    this.reopen(error);
  }

  /** The watch is not believed any more: another goes on from where the memory stands. */
  reopen(error: QuorateError): void {
    const watch = this.#watch;
    this.#watch = undefined;
    this.#silentSinceMs = undefined;
    this.#troubled(error);
    watch?.close();
  }

  /** To be called when `ended` has fired. */
  close(): void {
    this.#watch?.close();
  }

  /** Until it is time to look whether it is still too much, which is sooner where there is a sign that it is not. */
  async #restFull(delayMs: number, { firstMs, longestMs }: typeof fullDelay.keys): Promise<void> {
    const { runtime, ended } = this.#options;
    const leastMs = Math.min(longestMs, Math.max(firstMs, restAfterLook * this.#lookedMs));
    const sign = new AbortController();
    const { signal, unlink } = linkedSignal(sign.signal, ended);
    this.#lookAgain = () => sign.abort();
    const background = true;
    await sleep(runtime, leastMs, { signal: ended, background }).catch(() => {});
    await sleep(runtime, Math.max(0, delayMs - leastMs), { signal, background }).catch(() => {});
    this.#lookAgain = undefined;
    unlink();
  }

  async #load(): Promise<void> {
    const beganMs = this.#options.runtime.monotonicMs();
    try {
      await this.#read();
    } finally {
      this.#lookedMs = this.#options.runtime.monotonicMs() - beganMs;
    }
  }

  async #read(): Promise<void> {
    const { store, runtime, clock, range, memory, ended: signal } = this.#options;
    const slots = new Map<Key, Slot<Entry>>();
    const isAnotherHistory = this.#isAnotherHistory;
    let bytes = 0;
    const { revision, sentAt } = await readPrefix({
      ...{ store, runtime, clock, range, limit: this.#pageLimit, notBefore: this.#revision, signal },
      take: async (kvs, count, asOf) => {
        this.#seenAt = asOf;
        for (const { key, value } of kvs) bytes += key.length + value.length;
        memory.checkRead(count, bytes);
        // All of a page at a time: those that do not answer hold it up once.
        const made = kvs.map((kv) => memory.slotOf(kv));
        const page = made.some((slot) => slot instanceof Promise)
          ? await Promise.all(made)
          : (made as Slot<Entry>[]);
        for (const [index, { key }] of kvs.entries()) slots.set(key, page[index] as Slot<Entry>);
      },
      troubled: (error) => this.#troubled(error),
    });
    if (signal.aborted) return;
    // It may have been found out meanwhile, and some of what was read taken from memory.
    if (this.#isAnotherHistory !== isAnotherHistory) return;
    const changes = memory.replace(slots);
    this.#mustLoad = false;
    this.#isAnotherHistory = false;
    this.#isLoaded = true;
    if (isAnotherHistory) this.#options.readAnotherHistory();
    this.#advance({ type: 'reset', revision, changes }, sentAt);
  }

  /** Until the watch tells that events after `revision` are not to be had, or is not believed any more. */
  async #follow(goesWell: () => void): Promise<void> {
    const { store, runtime, range, ended } = this.#options;
    const fromRevision = this.#revision + 1;
    const watch = store.watch({ ...range, fromRevision, resume: 'revision' });
    this.#watch = watch;
    try {
      for await (const item of watch) {
        if (ended.aborted || this.#watch !== watch) return;
        this.#silentSinceMs = undefined;
        if (item.type === 'interrupted') {
          this.#troubled(asQuorateError(item.error));
          continue;
        }
        if (item.type === 'compacted') {
          this.#mustLoad = true;
          this.#troubled(
            new QuorateError('compacted', `history up to revision ${item.compactRevision} was compacted`),
          );
          return;
        }
        if (item.type === 'events') await this.#take(item.events);
        if (ended.aborted || this.#watch !== watch) return;
        goesWell();
        this.#options.told({ status: 'live' });
        this.#silentSinceMs = runtime.monotonicMs();
      }
    } finally {
      watch.close();
    }
    if (this.#watch === watch) throw new QuorateError('closed', 'the store of the mirror was closed');
  }

  /** All events of a revision in one step. */
  async #take(events: readonly KeyEvent[]): Promise<void> {
    const { memory, ended } = this.#options;
    for (const ofOne of revisionsOf(events)) {
      const revision = (ofOne[0] as KeyEvent).kv.modRevision;
      if (revision <= this.#revision) continue;
      if (!memory.isContinuedBy(ofOne)) {
        const message = `revision ${revision} does not go on from ${this.#revision}: the store was put back, from a backup say`;
        this.wentBack(new QuorateError('unavailable', message, { details: { revision } }));
        return;
      }
      const staged = await memory.stage(ofOne);
      if (ended.aborted || this.#isAnotherHistory) return;
      this.#seenAt = revision;
      // If they are too many, what follows is not to be taken in without them.
      this.#mustLoad = true;
      const changes = memory.apply(staged);
      this.#mustLoad = false;
      this.#advance({ type: 'revision', revision, changes });
    }
  }

  #advance(batch: MirrorBatch<Entry>, readAt?: Instant): void {
    this.#revision = batch.revision;
    this.#options.advanced(batch, readAt);
  }

  /** What is in memory stays as it is, and is told to be behind. */
  #troubled(error: QuorateError): void {
    this.#options.told({ status: this.#isLoaded ? 'behind' : 'loading', error });
  }
}

/** The events of each revision together, however they were put together on their way. */
function* revisionsOf(events: readonly KeyEvent[]): Generator<readonly KeyEvent[]> {
  let begin = 0;
  for (let index = 1; index <= events.length; index += 1) {
    if (events[index]?.kv.modRevision === events[begin]?.kv.modRevision) continue;
    yield events.slice(begin, index);
    begin = index;
  }
}

/** There is nothing yet that could go on to be served, and to wait mends nothing. */
function endsLoading(error: QuorateError): boolean {
  return isPermanent(error) || error.code === 'over-limit';
}

function asQuorateError(error: unknown): QuorateError {
  return quorateErrorOf(error, 'following a prefix failed in an unforeseen way');
}
