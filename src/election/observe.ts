import { QuorateError } from '../errors.js';
import { fencingToken } from '../line/index.js';
import { Backoff, sleep, stoppable } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { Key, KeyValue } from '../store/index.js';
import type { HubItem } from '../watch/index.js';
import { decodeLeader } from './leader-record.js';

/** What an observer knows. `unknown` is said at once when the watch is cut: silence is not "still the same leader". */
export type LeaderView =
  | {
      readonly status: 'leader';
      readonly term: number;
      /** What the leader last proclaimed. */
      readonly value: Uint8Array;
      /** The leading client's label. */
      readonly label: string;
      /** Revision at which it was proclaimed. */
      readonly revision: number;
    }
  | { readonly status: 'none'; readonly revision: number }
  | { readonly status: 'unknown'; readonly reason: string };

/**
 * Follows one `leader` key: its state is read where the watch opened after what is known, and moved by events since.
 * Conflated: a slow reader sees the newest view, never an older one after a newer.
 */
export function observeLeader(
  client: Client,
  key: Key,
  signal?: AbortSignal,
): AsyncIterableIterator<LeaderView> {
  return stoppable(signal, (end) => followLeader(client, key, end));
}

async function* followLeader(
  client: Client,
  key: Key,
  end: AbortSignal,
): AsyncGenerator<LeaderView, void, void> {
  const follower = new LeaderFollower(client, key);
  end.addEventListener('abort', () => follower.close(), { once: true });
  try {
    for (;;) {
      const view = await follower.next();
      if (view === undefined) return;
      yield view;
    }
  } finally {
    follower.close();
  }
}

class LeaderFollower {
  readonly #client: Client;
  readonly #key: Key;
  readonly #closing = new AbortController();
  readonly #subscription: { close(): void };
  #reading = new AbortController();
  /** Revision of the newest state that is known. */
  #asOf = 0;
  #known: LeaderView | undefined;
  #news: LeaderView | undefined;
  #failure: QuorateError | undefined;
  #wake: () => void = () => {};

  constructor(client: Client, key: Key) {
    this.#client = client;
    this.#key = key;
    this.#subscription = client.hub.subscribe({ key }, (item) => this.#receive(item));
  }

  /** The next view that differs from the last one; undefined once closed. */
  async next(): Promise<LeaderView | undefined> {
    while (!this.#closing.signal.aborted) {
      if (this.#failure) throw this.#failure;
      const view = this.#news;
      if (view) {
        this.#news = undefined;
        return view;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return undefined;
  }

  close(): void {
    this.#closing.abort(new QuorateError('closed', 'the observer was closed'));
    this.#reading.abort();
    this.#subscription.close();
    this.#wake();
  }

  #receive(item: HubItem): void {
    switch (item.type) {
      case 'opened':
        if (this.#known === undefined || this.#known.status === 'unknown' || item.revision > this.#asOf) {
          this.#reading.abort();
          this.#reading = new AbortController();
          this.#read(this.#reading.signal).catch((error: unknown) => this.#fail(error));
        }
        return;
      case 'events': {
        const last = item.events.at(-1);
        if (last) this.#see(last.type === 'put' ? last.kv : undefined, last.kv.modRevision);
        return;
      }
      case 'interrupted':
        // What it would answer holds no longer than its own revision.
        this.#reading.abort();
        this.#show({ status: 'unknown', reason: item.error.message });
        return;
      case 'failed':
        this.#fail(item.error);
        return;
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#client.runtime, { firstMs: 20, longestMs: 1_000 });
    while (!signal.aborted) {
      const state = await this.#client.store.range({ key: this.#key }, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (state !== undefined) {
        this.#see(state.kvs[0], state.revision);
        return;
      }
      await sleep(this.#client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }

  /** The key's state as of `revision`; an older one than is known says nothing. */
  #see(kv: KeyValue | undefined, revision: number): void {
    if (revision < this.#asOf) return;
    this.#asOf = revision;
    const decoded = kv && decodeLeader(kv);
    if (kv === undefined) this.#show({ status: 'none', revision });
    else if (decoded === undefined)
      this.#show({ status: 'unknown', reason: 'the leader key holds foreign data' });
    else {
      const { record, value } = decoded;
      const term = record.term ?? fencingToken(kv.modRevision, 0);
      this.#show({ status: 'leader', term, value, label: record.label, revision: kv.modRevision });
    }
  }

  #show(view: LeaderView): void {
    const same =
      this.#known?.status === view.status &&
      (view.status !== 'leader' ||
        (this.#known.status === 'leader' && this.#known.revision === view.revision));
    this.#known = view;
    if (same) return;
    this.#news = view;
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure =
      error instanceof QuorateError
        ? error
        : new QuorateError('internal', 'the observer failed', { cause: error });
    this.#wake();
  }
}
