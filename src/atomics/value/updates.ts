import type { Payloads } from '../../payload/index.js';
import { type WaitOptions, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type Key, type KeyValue, noLease, put } from '../../store/index.js';
import { Conflicts } from '../conflicts.js';
import { commitUnder } from '../guard.js';
import type { TransactionGuard } from '../stm/guards.js';
import { keyIn, versionedOf } from './reading.js';
import type { Updated } from './types.js';

export interface UpdatesParts<T> {
  readonly client: Client;
  readonly key: Key;
  readonly payloads: Payloads<T>;
}

export interface Update<T> {
  readonly change: (current: T | undefined) => T | Promise<T>;
  readonly guard: TransactionGuard | undefined;
  /** What is left of its time. */
  readonly left: () => WaitOptions;
  readonly doing: string;
}

/** A state of the key. */
interface Seen {
  readonly kv: KeyValue | undefined;
}

/** The updates that one object makes of its value: one after the other, so that they never refuse each other. */
export class Updates<T> {
  readonly #parts: UpdatesParts<T>;
  /** The newest state that was seen: the next update begins with it. Stale at worst, which its compare finds out. */
  #seen: Seen | undefined;
  /** Resolves when those begun so far are over. */
  #over: Promise<void> = Promise.resolve();

  constructor(parts: UpdatesParts<T>) {
    this.#parts = parts;
  }

  async run(update: Update<T>): Promise<Updated<T>> {
    const before = this.#over;
    let end = () => {};
    const own = new Promise<void>((resolve) => {
      end = resolve;
    });
    // One that gives up before its turn ends nobody else's.
    this.#over = before.then(() => own);
    try {
      await waitFor(this.#parts.client.runtime, before, update.left(), update.doing);
      return await this.#untilWritten(update);
    } finally {
      end();
    }
  }

  async #untilWritten(update: Update<T>): Promise<Updated<T>> {
    const { client, key } = this.#parts;
    const conflicts = new Conflicts(client.runtime);
    /** It was seen since the call began. */
    let isFresh = this.#seen === undefined;
    let seen = this.#seen ?? (await this.#read(update.left));
    for (;;) {
      const made = await this.#make(seen, update);
      if ('failure' in made) {
        if (isFresh) throw made.failure;
        // It may have failed for something that was no more when the call began.
        const now = await this.#read(update.left);
        if (now.kv?.modRevision === seen.kv?.modRevision) throw made.failure;
        isFresh = true;
        seen = now;
        continue;
      }
      const { value, bytes } = made;
      const request = {
        compare: [compare.mod(key, 'equal', seen.kv?.modRevision ?? 0)],
        success: [put(key, bytes)],
        failure: [get(key)],
      };
      const reply = await commitUnder(client, update.guard, request, update.left());
      if (reply.succeeded) {
        this.#seen = this.#written(seen, bytes, reply.revision);
        return { value, revision: reply.revision };
      }
      seen = { kv: keyIn(reply) };
      this.#seen = seen;
      isFresh = true;
      await conflicts.settle(update.left());
    }
  }

  /** What the function makes of the state, or what it failed with. Rejects if the call's own time is over. */
  async #make(
    { kv }: Seen,
    { change, left, doing }: Update<T>,
  ): Promise<{ readonly value: T; readonly bytes: Uint8Array } | { readonly failure: unknown }> {
    const { client, payloads } = this.#parts;
    const making = (async () => {
      try {
        const current = kv && (await versionedOf(payloads, kv)).value;
        const value = await change(current);
        return { value, bytes: await payloads.encode(value) };
      } catch (failure) {
        return { failure };
      }
    })();
    return waitFor(client.runtime, making, left(), doing);
  }

  #written({ kv }: Seen, value: Uint8Array, modRevision: number): Seen {
    const { key } = this.#parts;
    const createRevision = kv?.createRevision ?? modRevision;
    const version = (kv?.version ?? 0) + 1;
    return { kv: { key, value, createRevision, modRevision, version, lease: noLease } };
  }

  async #read(left: () => WaitOptions): Promise<Seen> {
    const { client, key } = this.#parts;
    return { kv: (await client.store.range({ key }, left())).kvs[0] };
  }
}
