import { isPermanent, isQuorateError, QuorateError } from '../errors.js';
import { Backoff, offAbort, onAbort, type Runtime, sleep, type Timer } from '../runtime/index.js';
import type { Key, KeyValue, Store } from '../store/index.js';
import type { HubItem, Subscription } from './shared-watch.js';
import type { WatchHub } from './watch-hub.js';

/** What a key was in the state of one revision. */
export type FactState =
  | { readonly status: 'present'; readonly kv: KeyValue; readonly revision: number }
  | { readonly status: 'absent'; readonly revision: number };

/** `unknown` from a cut of the watch on until the key has been read again: silence is not "still the same". */
export type Fact = FactState | { readonly status: 'unknown'; readonly reason: string };

export interface FactListener {
  see(fact: Fact): void;
  /** The last call: the key can never be followed. */
  fail(error: QuorateError): void;
}

export interface FactFollowerOptions {
  readonly hub: WatchHub;
  readonly store: Pick<Store, 'range'>;
  readonly runtime: Runtime;
  readonly key: Key;
  /** About how often the key is read against a watch that went silent unnoticed: a TTL. Default: never. */
  readonly recheckMs?: number;
}

/** A read under way, or about to be sent, and how many want it. */
interface Reading {
  readonly result: Promise<FactState>;
  readonly abandoned: AbortController;
  wanted: number;
}

const retryDelay = { firstMs: 20, longestMs: 1_000 };

const unread = 'the key has not been read yet';

/**
 * One key that says what has happened, followed for all who wait for it in this process.
 *
 * - Told are states of the key, each as of a revision, and in the order of revisions: never an older one after a newer. While
 *   the watch stands every event is told, a put and a deletion right after it too. What comes and goes while the watch is cut
 *   is not, but a `createRevision` that has grown shows it.
 * - A cut is told as `unknown`, and never as news. The key is read once the watch has opened at a revision above what is known,
 *   and about every `recheckMs` if that is given. A read for those who listen is given up with the watch: its answer would hold no
 *   longer than its own revision, and nothing waits behind one that is stuck. A watch or a read that can never go on (`closed`,
 *   `permission-denied`) is told by `fail`.
 * - Cost: one watch while somebody listens, shared with all others of the process; a read when it opens, and those above.
 *   The state that a reply has shown may be handed in, which saves the read if nothing has happened since.
 */
export class FactFollower {
  readonly #options: FactFollowerOptions;
  readonly #listeners = new Set<FactListener>();
  #subscription: Subscription | undefined;
  /** Fires when the watch is cut, and when nobody listens any more. */
  #standing = new AbortController();
  /** The newest that was ever known. */
  #state: FactState | undefined;
  /** Whether it is told as known. */
  #isKnown = false;
  /** Why it is not. */
  #reason = unread;
  #reading: Reading | undefined;
  /** To be sent when the one under way has been answered, since that may have been evaluated before it was asked for. */
  #next: Reading | undefined;
  #recheck: Timer | undefined;

  constructor(options: FactFollowerOptions) {
    this.#options = options;
  }

  get known(): Fact {
    if (this.#isKnown && this.#state !== undefined) return this.#state;
    return { status: 'unknown', reason: this.#reason };
  }

  /** Somebody knows what the key was at a revision, from a reply that is not of this follower. */
  learn(kv: KeyValue | undefined, revision: number): void {
    if (this.#listeners.size > 0) this.#see(kv, revision);
    else if (revision >= this.#asOf) this.#state = stateOf(kv, revision);
  }

  /**
   * Reads the key by a request that is sent after this call: one for all who ask meanwhile. Repeated while the store is
   * away. Rejects with the signal's reason, and for what trying again does not mend.
   */
  read(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<FactState> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const reading = this.#join();
    return new Promise((resolve, reject) => {
      const leave = () => {
        if (signal !== undefined) offAbort(signal, giveUp);
        reading.wanted -= 1;
        // One that is not sent yet may still be asked for by others.
        if (reading.wanted === 0 && reading !== this.#next) reading.abandoned.abort();
      };
      const giveUp = () => {
        leave();
        reject(signal?.reason);
      };
      if (signal !== undefined) onAbort(signal, giveUp);
      reading.result.then(
        (state) => {
          leave();
          resolve(state);
        },
        (error: unknown) => {
          leave();
          reject(error);
        },
      );
    });
  }

  /** Listens from now on; is told at once what is known, if something is. Answers what ends it. */
  listen(listener: FactListener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#open();
    else if (this.#isKnown && this.#state !== undefined) listener.see(this.#state);
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#close();
    };
  }

  /**
   * Resolves with what `decide` first makes of a state, in the order of revisions, beginning with the one that is known.
   * Rejects with what it throws, with the signal's reason, and if the key cannot be followed.
   */
  until<T>(
    decide: (state: FactState) => T | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      let stop: (() => void) | undefined;
      let isOver = false;
      const end = (settle: () => void) => {
        if (isOver) return;
        isOver = true;
        offAbort(signal, giveUp);
        stop?.();
        settle();
      };
      const giveUp = () => end(() => reject(signal.reason));
      const see = (fact: Fact) => {
        if (fact.status === 'unknown' || isOver) return;
        try {
          const decided = decide(fact);
          if (decided !== undefined) end(() => resolve(decided));
        } catch (error) {
          end(() => reject(error));
        }
      };
      onAbort(signal, giveUp);
      stop = this.listen({ see, fail: (error) => end(() => reject(error)) });
      // It may have been told already, before there was something to stop.
      if (isOver) stop();
    });
  }

  get #asOf(): number {
    return this.#state?.revision ?? 0;
  }

  #open(): void {
    this.#standing = new AbortController();
    this.#subscription = this.#options.hub.subscribe({ key: this.#options.key }, (item) =>
      this.#receive(item),
    );
    this.#armRecheck();
  }

  #close(): void {
    this.#standing.abort();
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#recheck?.cancel();
    this.#recheck = undefined;
    this.#isKnown = false;
    this.#reason = unread;
  }

  #receive(item: HubItem): void {
    switch (item.type) {
      case 'opened':
        if (this.#state === undefined || item.revision > this.#asOf) this.#look();
        else if (!this.#isKnown) this.#tell(this.#state);
        return;
      case 'events':
        for (const { type, kv } of item.events) this.#see(type === 'put' ? kv : undefined, kv.modRevision);
        return;
      case 'interrupted':
        this.#standing.abort();
        this.#standing = new AbortController();
        this.#isKnown = false;
        this.#reason = item.error.message;
        this.#tellAll(this.known);
        return;
      case 'failed':
        this.#fail(item.error);
        return;
    }
  }

  /** The key's state as of `revision`; an older one than is known says nothing. */
  #see(kv: KeyValue | undefined, revision: number): void {
    if (revision < this.#asOf) return;
    const before = this.#isKnown ? this.#state : undefined;
    const state = stateOf(kv, revision);
    this.#state = state;
    const isSame =
      before?.status === state.status &&
      (before.status === 'absent' ||
        (state.status === 'present' && before.kv.modRevision === state.kv.modRevision));
    if (!isSame) this.#tell(state);
  }

  #tell(state: FactState): void {
    this.#isKnown = true;
    this.#tellAll(state);
  }

  #tellAll(fact: Fact): void {
    for (const listener of [...this.#listeners]) listener.see(fact);
  }

  /** Reads it for those who listen. */
  #look(): void {
    const { signal } = this.#standing;
    this.read({ signal }).catch((error: unknown) => {
      if (signal.aborted) return;
      if (isQuorateError(error)) this.#fail(error);
      else this.#fail(new QuorateError('internal', 'following a key failed', { cause: error }));
    });
  }

  #fail(error: QuorateError): void {
    const last = [...this.#listeners];
    this.#listeners.clear();
    this.#close();
    for (const listener of last) listener.fail(error);
  }

  #armRecheck(): void {
    const { runtime, recheckMs } = this.#options;
    if (recheckMs === undefined) return;
    const look = () => {
      this.#look();
      this.#armRecheck();
    };
    const delayMs = recheckMs * (0.75 + runtime.random() / 2);
    this.#recheck = runtime.setTimer(delayMs, look, { background: true });
  }

  #join(): Reading {
    if (this.#reading !== undefined) this.#next ??= this.#begin(this.#reading);
    else this.#reading = this.#begin();
    const reading = (this.#next ?? this.#reading) as Reading;
    reading.wanted += 1;
    return reading;
  }

  /** One read at a time. */
  #begin(before?: Reading): Reading {
    const abandoned = new AbortController();
    const run = async () => {
      if (before !== undefined) {
        await before.result.catch(() => {});
        this.#reading = this.#next;
        this.#next = undefined;
        if (reading.wanted === 0) abandoned.abort();
      }
      try {
        abandoned.signal.throwIfAborted();
        return await this.#ask(abandoned.signal);
      } finally {
        if (this.#next === undefined) this.#reading = undefined;
      }
    };
    const reading: Reading = { result: run(), abandoned, wanted: 0 };
    // All who asked may have gone.
    reading.result.catch(() => {});
    return reading;
  }

  async #ask(signal: AbortSignal): Promise<FactState> {
    const { store, runtime, key } = this.#options;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      try {
        const { kvs, revision } = await store.range({ key }, { signal });
        // Answered and given up at once: it would be told after the cut that it was given up for.
        signal.throwIfAborted();
        this.learn(kvs[0], revision);
        return stateOf(kvs[0], revision);
      } catch (error) {
        if (signal.aborted || isPermanent(error)) throw error;
        await sleep(runtime, backoff.nextMs(), { signal });
      }
    }
  }
}

function stateOf(kv: KeyValue | undefined, revision: number): FactState {
  return kv === undefined ? { status: 'absent', revision } : { status: 'present', kv, revision };
}
