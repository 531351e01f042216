import { invalidArgument, isPermanent, shown } from '../../errors.js';
import { Backoff, sleep, TimeLeft, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type Key, type KeyValue, nested, type Op, put, textOf } from '../../store/index.js';
import { isLimit, limitIn } from './weights.js';

const acceptedLimits = 'a whole number from 0 on';

export function checkLimit(limit: unknown, name = 'limit'): number {
  if (!isLimit(limit)) throw invalidArgument(`${name} is ${shown(limit)}`, acceptedLimits);
  return limit;
}

/**
 * The limit of a semaphore: a key without a lease, which whoever comes first creates and everybody may write. Where it
 * is gone, or says what is no limit, nobody is admitted until somebody who wants to be has put it back.
 */
export class StoredLimit {
  readonly key: Key;
  readonly #client: Client;
  readonly #initial: number;
  #restoring: Promise<void> | undefined;
  /** Revision that wrote what is to be replaced. */
  #missing: number | undefined;

  constructor(client: Client, key: Key, initial: number) {
    this.#client = client;
    this.key = key;
    this.#initial = initial;
  }

  /** Creates it where there is none: done before every look at the line, in the same transaction. */
  get creation(): Op {
    return nested({ compare: [compare.create(this.key, 'equal', 0)], success: [this.#put(this.#initial)] });
  }

  of(kv: KeyValue | undefined): number {
    return (kv && limitIn(textOf(kv.value))) ?? this.#initial;
  }

  async read(options: WaitOptions): Promise<number> {
    const { kvs } = await this.#client.store.range({ key: this.key }, options);
    return this.of(kvs[0]);
  }

  async set(limit: number, options: WaitOptions): Promise<void> {
    await this.#client.store.txn({ compare: [], success: [this.#put(limit)], failure: [] }, options);
  }

  /** Adds to it, tried again as long as others write it meanwhile. */
  async change(by: number, options: WaitOptions): Promise<number> {
    const { runtime, store } = this.#client;
    const backoff = new Backoff(runtime, { firstMs: 5, longestMs: 200 });
    const left = new TimeLeft(runtime, options, 'changing a limit');
    let kv = (await store.range({ key: this.key }, left.forRequest())).kvs[0];
    for (;;) {
      const limit = this.of(kv) + by;
      if (!isLimit(limit)) {
        throw invalidArgument(
          `the limit is ${limit - by}, and by is ${by}`,
          `${acceptedLimits} as their sum`,
        );
      }
      const asRead = compare.mod(this.key, 'equal', kv?.modRevision ?? 0);
      const request = { compare: [asRead], success: [this.#put(limit)], failure: [get(this.key)] };
      const { succeeded, replies } = await store.txn(request, left.forRequest());
      if (succeeded) return limit;
      const [read] = replies;
      kv = read?.type === 'range' ? read.kvs[0] : undefined;
      const { timeoutMs: leftMs = Number.POSITIVE_INFINITY } = left.all();
      await sleep(runtime, Math.min(backoff.nextMs(), leftMs), { signal: options.signal });
    }
  }

  /**
   * Puts it back where it was last written at this revision, or, 0, was not there. In the background,
   * until the store answers; one request at a time, since who asks meanwhile may have seen it go once more.
   */
  restore(writtenAt: number): void {
    this.#missing = writtenAt;
    this.#restoring ??= this.#restore();
  }

  async #restore(): Promise<void> {
    const { runtime, store } = this.#client;
    const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
    while (this.#missing !== undefined) {
      const writtenAt = this.#missing;
      this.#missing = undefined;
      const asSeen = compare.mod(this.key, 'equal', writtenAt);
      try {
        await store.txn({ compare: [asSeen], success: [this.#put(this.#initial)], failure: [] });
      } catch (error) {
        if (isPermanent(error)) break;
        this.#missing ??= writtenAt;
        await sleep(runtime, backoff.nextMs(), { background: true });
      }
    }
    // In one breath with the last look at what is missing: whoever asks from here on begins anew.
    this.#restoring = undefined;
  }

  #put(limit: number): Op {
    return put(this.key, String(limit));
  }
}
