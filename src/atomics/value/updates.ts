import type { TransactionGuard } from '../../guard/index.js';
import { commitUnder } from '../../guard/index.js';
import type { Payloads } from '../../payload/index.js';
import { type TimeLeft, waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { type Codec, compare, get, type Key, type KeyValue, put } from '../../store/index.js';
import { Crowd } from '../crowd.js';
import { atomically } from '../stm/atomically.js';
import { keyIn } from './reading.js';
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
  readonly left: TimeLeft;
  readonly doing: string;
}

/** A state of the key. */
interface Seen {
  readonly bytes: Uint8Array | undefined;
  /** Revision of its write; 0: it is absent. */
  readonly mod: number;
}

/** What the function made of a state. */
interface Made<T> {
  readonly value: T;
  readonly bytes: Uint8Array;
}

const asTheyAre: Codec<Uint8Array> = { encode: (bytes) => bytes, decode: (bytes) => bytes };

/** The updates that one object makes of its value: one after the other, so that they never refuse each other. */
export class Updates<T> {
  readonly #parts: UpdatesParts<T>;
  readonly #crowd: Crowd;
  /** The newest state that was seen: the next update begins with it. Stale at worst, which its compare finds out. */
  #seen: Seen | undefined;
  /** Resolves when those begun so far are over. */
  #over: Promise<void> = Promise.resolve();

  constructor(parts: UpdatesParts<T>) {
    this.#parts = parts;
    this.#crowd = new Crowd(parts.client.runtime);
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
      await waitFor(this.#parts.client.runtime, before, update.left.all(), update.doing);
      return await this.#untilWritten(update);
    } finally {
      end();
    }
  }

  async #untilWritten(update: Update<T>): Promise<Updated<T>> {
    const { client, key } = this.#parts;
    /** It was seen since the call began. */
    let isFresh = this.#seen === undefined;
    let seen = this.#seen ?? (await this.#read(update.left));
    for (;;) {
      if (this.#crowd.isThere) return this.#updateInLine(update);
      const made = await this.#tryToMake(seen, update);
      if ('failure' in made) {
        if (isFresh) throw made.failure;
        // It may have failed for something that was no more when the call began.
        const now = await this.#read(update.left);
        if (now.mod === seen.mod) throw made.failure;
        isFresh = true;
        seen = now;
        continue;
      }
      const request = {
        compare: [compare.mod(key, 'equal', seen.mod)],
        success: [put(key, made.bytes)],
        failure: [get(key)],
      };
      const reply = await commitUnder(client, update.guard, request, update.left.all());
      if (reply.succeeded) return this.#written(made, reply.revision);
      this.#crowd.refused();
      seen = seenIn(keyIn(reply));
      this.#seen = seen;
      isFresh = true;
    }
  }

  /** As a transaction, which stands in the line of the key. */
  async #updateInLine({ change, guard, left }: Update<T>): Promise<Updated<T>> {
    const { client, key } = this.#parts;
    const options = { ...left.all(), maxConflicts: Number.POSITIVE_INFINITY };
    const committed = await atomically(
      client,
      async (tx) => {
        if (guard !== undefined) tx.guard(guard);
        const made = await this.#make(await tx.get(key, asTheyAre), change);
        tx.put(key, made.bytes, asTheyAre);
        return made;
      },
      options,
    );
    this.#crowd.ran(committed.runs);
    return this.#written(committed.value, committed.revision);
  }

  async #make(bytes: Uint8Array | undefined, change: Update<T>['change']): Promise<Made<T>> {
    const { payloads } = this.#parts;
    const value = await change(bytes && (await payloads.decode(bytes)));
    return { value, bytes: await payloads.encode(value) };
  }

  /** What the function makes of the state, or what it failed with. Rejects if the call's own time is over. */
  #tryToMake(
    { bytes }: Seen,
    { change, left, doing }: Update<T>,
  ): Promise<Made<T> | { readonly failure: unknown }> {
    const making = this.#make(bytes, change).catch((failure: unknown) => ({ failure }));
    return waitFor(this.#parts.client.runtime, making, left.all(), doing);
  }

  #written({ value, bytes }: Made<T>, revision: number): Updated<T> {
    this.#seen = { bytes, mod: revision };
    return { value, revision };
  }

  async #read(left: TimeLeft): Promise<Seen> {
    const { client, key } = this.#parts;
    return seenIn((await client.store.range({ key }, left.all())).kvs[0]);
  }
}

function seenIn(kv: KeyValue | undefined): Seen {
  return { bytes: kv?.value, mod: kv?.modRevision ?? 0 };
}
