import { isQuorateError, QuorateError } from '../errors.js';
import type { HistoryEntry, KeyEvent, Store, Watch } from '../store/index.js';
import { History } from './history.js';

/** A recording that {@link recordHistory} has begun. */
export interface Recording {
  /**
   * Waits until everything up to `atRevision` is recorded, ends the recording, and answers the history up to there. Take
   * the revision of a last read or write: every revision has its events. What rejects it ends the recording too.
   *
   * Errors: `aborted` when `signal` fires first; `compacted` if history was compacted before it was recorded;
   * `internal` if the watch left a revision out; what the watch itself ended with.
   */
  stop(atRevision: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<History>;
}

/**
 * Records everything that happens in a store, from its very first revision, by one watch on all keys. Begin before the
 * store is compacted: what was recorded stays, whatever is compacted later.
 */
export function recordHistory(store: Store): Recording {
  const recorder = new Recorder(store.watch({ key: '\0', rangeEnd: '\0', fromRevision: 1 }));
  return { stop: (atRevision, options = {}) => recorder.stop(atRevision, options.signal) };
}

class Recorder {
  readonly #watch: Watch;
  readonly #entries: HistoryEntry[] = [];
  #recordedUpTo = 1;
  #failure: QuorateError | undefined;
  #onNews: () => void = () => {};

  constructor(watch: Watch) {
    this.#watch = watch;
    void this.#record();
  }

  async stop(atRevision: number, signal: AbortSignal | undefined): Promise<History> {
    const wake = () => this.#onNews();
    signal?.addEventListener('abort', wake, { once: true });
    try {
      while (this.#recordedUpTo < atRevision) {
        if (this.#failure) throw this.#failure;
        if (signal?.aborted) {
          const what = `stopped at revision ${this.#recordedUpTo} of ${atRevision} that were to be recorded`;
          throw new QuorateError('aborted', what, { cause: signal.reason });
        }
        await new Promise<void>((resolve) => {
          this.#onNews = resolve;
        });
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      this.#watch.close();
    }
    return new History(this.#entries.filter(({ revision }) => revision <= atRevision));
  }

  /** Never rejects: what goes wrong is for who asks for the history. */
  async #record(): Promise<void> {
    try {
      for await (const item of this.#watch) {
        if (item.type === 'events') for (const event of item.events) this.#add(event);
        if (item.type === 'compacted') {
          const what = `history up to revision ${item.compactRevision} was compacted before it was recorded`;
          throw new QuorateError('compacted', what);
        }
        this.#recordedUpTo = this.#entries.at(-1)?.revision ?? 1;
        this.#onNews();
      }
      throw new QuorateError('closed', 'the watch ended, as it does when its store is closed');
    } catch (error) {
      this.#failure = isQuorateError(error)
        ? error
        : new QuorateError('internal', 'the recording failed in an unforeseen way', { cause: error });
      this.#watch.close();
      this.#onNews();
    }
  }

  /** On all keys together every revision has an event, so one that is missing was withheld. */
  #add(event: KeyEvent): void {
    const { modRevision: revision } = event.kv;
    const last = this.#entries.at(-1) as { revision: number; events: KeyEvent[] } | undefined;
    if (last?.revision === revision) last.events.push(event);
    else if (revision === (last?.revision ?? 1) + 1) this.#entries.push({ revision, events: [event] });
    else {
      const what = `the watch went from revision ${last?.revision ?? 1} to ${revision}, without a gap being said`;
      throw new QuorateError('internal', what);
    }
  }
}
