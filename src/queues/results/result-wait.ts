/**
 * A wait for the end of a job whose result was asked for.
 *
 * Keys: `R/X`, the result, put in the revision that deletes the item `i/X`, whoever ends it: acknowledgement, dead letter,
 * cancellation. `P/X`, what its handler told last of its progress.
 *
 * Watch `R/X` for puts and `i/X` for deletions, from now. Once both stand, read `{get R/X, get i/X}` at one revision: a result:
 * done. The item: wait for the watch. Neither: it ended without a result, or the result has expired. A deletion of `i/X` asks
 * for another read: then there is a result, or there will never be one.
 *
 * - *The item may be delayed*: what is said of `i/X` is said of `N/X` too; it is at one of them at each revision.
 * - *It cannot be missed*: a result of before the read is read, if it has not expired; one of after it is above the revisions of
 *   both watches. And an end without a result (deleted by somebody else, not asked for) is told by the deletion.
 * - *Watch cut or compacted*: when both stand again, read again. Nothing is told while one is cut.
 * - *Reading fails for the moment*: again, for as long as the caller waits.
 * - *Session lost, process paused*: a wait holds nothing; it goes on.
 */
import { isPassingRead, QuorateError } from '../../errors.js';
import { Backoff, sleep, type WaitOptions, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { get, type KeyValue, txnOf } from '../../store/index.js';
import type { HubItem, Subscription } from '../../watch/index.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { placesOf } from '../reading/item.js';

const retryDelay = { firstMs: 50, longestMs: 2_000 };
const callTimeoutMs = 10_000;

export interface ResultWaitParts {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly id: ItemId;
  /** Called with each state of its progress that is seen, in order; some may be passed over. */
  readonly onProgress?: ((kv: KeyValue) => void) | undefined;
}

export class ResultWait {
  readonly #parts: ResultWaitParts;
  readonly #ended = new AbortController();
  readonly #open = new Set<string>();
  readonly #watched: readonly string[];
  readonly #places: readonly string[];
  #isLooking = false;
  #looksAgain = false;
  #progressRevision = 0;
  #resolve: (kv: KeyValue) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(parts: ResultWaitParts) {
    const { keys, id, onProgress } = parts;
    this.#parts = parts;
    this.#places = placesOf(keys, id);
    this.#watched = [keys.result(id), ...this.#places, ...(onProgress ? [keys.progressOf(id)] : [])];
  }

  /** The result's key. Rejects with `no-result`, with `aborted` or `timeout` of `options`, or as the watch ended. */
  async run(options: WaitOptions): Promise<KeyValue> {
    const { client, id } = this.#parts;
    const found = new Promise<KeyValue>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // It may be rejected before anybody looks.
    found.catch(() => {});
    const subscriptions = this.#watched.map((key) => this.#subscribe(key));
    try {
      return await waitFor(client.runtime, found, options, `waiting for the result of job ${id}`);
    } finally {
      this.#ended.abort();
      for (const subscription of subscriptions) subscription.close({ lingerMs: 0 });
    }
  }

  #subscribe(key: string): Subscription {
    const { client } = this.#parts;
    const without = this.#places.includes(key) ? (['put'] as const) : (['delete'] as const);
    return client.hub.subscribe({ key, without }, (item) => this.#onItem(key, item));
  }

  #onItem(key: string, item: HubItem): void {
    if (this.#ended.signal.aborted) return;
    const { keys, id } = this.#parts;
    switch (item.type) {
      case 'opened':
        this.#open.add(key);
        this.#look();
        return;
      case 'interrupted':
        this.#open.delete(key);
        return;
      case 'failed':
        this.#reject(item.error);
        return;
      case 'events': {
        const last = item.events.at(-1)?.kv;
        if (last === undefined) return;
        if (key === keys.result(id)) this.#resolve(last);
        else if (key === keys.progressOf(id)) this.#tellProgress(last);
        else this.#look();
      }
    }
  }

  /** Reads once all watches stand; what asks for it during a read is answered by another. */
  #look(): void {
    if (this.#open.size < this.#watched.length) return;
    if (this.#isLooking) {
      this.#looksAgain = true;
      return;
    }
    this.#isLooking = true;
    void this.#read()
      .catch((error: unknown) => this.#reject(error))
      .finally(() => {
        this.#isLooking = false;
        if (!this.#looksAgain) return;
        this.#looksAgain = false;
        this.#look();
      });
  }

  async #read(): Promise<void> {
    const { client, keys, id } = this.#parts;
    const backoff = new Backoff(client.runtime, retryDelay);
    const { signal } = this.#ended;
    const places = this.#places.map((key) => get(key, { keysOnly: true }));
    const request = txnOf({
      success: [get(keys.result(id)), get(keys.progressOf(id)), ...places],
    });
    while (!signal.aborted) {
      try {
        const { replies } = await client.store.txn(request, { timeoutMs: callTimeoutMs, signal });
        const [result, progress, ...items] = replies.map(firstOf);
        if (progress !== undefined) this.#tellProgress(progress);
        if (result !== undefined) this.#resolve(result);
        else if (items.every((item) => item === undefined)) this.#reject(noResult(id));
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassingRead(error)) throw error;
      }
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }

  #tellProgress(kv: KeyValue): void {
    if (kv.modRevision <= this.#progressRevision) return;
    this.#progressRevision = kv.modRevision;
    this.#parts.onProgress?.(kv);
  }
}

function noResult(id: ItemId): QuorateError {
  return new QuorateError(
    'no-result',
    `job ${id} has ended without a result, or its result has expired, or it never was`,
    { details: { id } },
  );
}
