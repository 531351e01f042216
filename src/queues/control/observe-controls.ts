import { Backoff, sleep, stoppable } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyValue } from '../../store/index.js';
import type { HubItem } from '../../watch/index.js';
import { controlOf } from '../dispatch/reads.js';
import { asQuorateError } from '../failures.js';
import type { QueueKeys } from '../keys.js';
import type { QueueStatus } from './queue-controls.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };

/** What holds as of a document, or where there is none. */
export function statusOf(kv: KeyValue | undefined): QueueStatus {
  const { mod, control } = controlOf(kv);
  return { ...control, revision: mod };
}

/**
 * Follows the control: read where the watch opened after what is known, and moved by events since. Conflated: a slow reader
 * sees the newest, never an older one after a newer.
 */
export function observeControls(
  client: Client,
  keys: QueueKeys,
  signal?: AbortSignal,
): AsyncIterableIterator<QueueStatus> {
  return stoppable(signal, (end) => follow(client, keys, end));
}

async function* follow(
  client: Client,
  keys: QueueKeys,
  end: AbortSignal,
): AsyncGenerator<QueueStatus, void, void> {
  const follower = new ControlFollower(client, keys, end);
  try {
    for (let status = await follower.next(); status !== undefined; status = await follower.next()) {
      yield status;
    }
  } finally {
    follower.close();
  }
}

class ControlFollower {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #end: AbortSignal;
  readonly #subscription: { close(): void };
  #reading = new AbortController();
  /** Revision of the newest state that is known. */
  #asOf = 0;
  #known: QueueStatus | undefined;
  #news: QueueStatus | undefined;
  #failure: unknown;
  #wake: () => void = () => {};

  constructor(client: Client, keys: QueueKeys, end: AbortSignal) {
    this.#client = client;
    this.#keys = keys;
    this.#end = end;
    end.addEventListener('abort', () => this.#wake(), { once: true });
    this.#subscription = client.hub.subscribe({ key: keys.control }, (item) => this.#receive(item));
  }

  /** The next status that differs from the last one; undefined at the end. */
  async next(): Promise<QueueStatus | undefined> {
    while (!this.#end.aborted) {
      if (this.#failure !== undefined) throw asQuorateError(this.#failure);
      const news = this.#news;
      this.#news = undefined;
      if (news !== undefined) return news;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return undefined;
  }

  close(): void {
    this.#reading.abort();
    this.#subscription.close();
  }

  #receive(item: HubItem): void {
    if (item.type === 'events') {
      const last = item.events.at(-1);
      if (last !== undefined) this.#see(last.type === 'put' ? last.kv : undefined, last.kv.modRevision);
      return;
    }
    // What a reading under way would answer is older than what the next opening brings.
    this.#reading.abort();
    this.#reading = new AbortController();
    if (item.type === 'opened') void this.#read(this.#reading.signal);
    if (item.type !== 'failed') return;
    this.#failure = item.error;
    this.#wake();
  }

  async #read(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.#client.runtime, retryDelay);
    while (!signal.aborted) {
      const range = { key: this.#keys.control };
      const state = await this.#client.store.range(range, { signal }).catch(() => undefined);
      if (state !== undefined && !signal.aborted) {
        this.#see(state.kvs[0], state.revision);
        return;
      }
      await sleep(this.#client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }

  #see(kv: KeyValue | undefined, revision: number): void {
    if (revision < this.#asOf) return;
    this.#asOf = revision;
    const status = statusOf(kv);
    if (this.#known?.revision === status.revision) return;
    this.#known = status;
    this.#news = status;
    this.#wake();
  }
}
